"""The courses of Relay Diffusion's two stages."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from lab.relay.system import load_network, to_pixels
from lab.relay.words import NO_WORD, scene_words
from lab.training import relay
from lab.world.lessons import training_scene

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(relay, "RENDERED", tmp_path / "rendered")


def test_small_pictures_are_means_of_the_large_rendering():
    whole, small = (to_pixels(make(3)[None]) for make in (relay.render_whole, relay.render_means))
    assert small.shape == (1, 3, 64, 64)
    assert (avg_pool2d(whole, 4) - small).abs().max() <= 1 / 255 + 1e-6


def test_crops_lie_on_the_grid_of_small_pixels_and_have_the_same_area():
    course = relay.RelayCourse(None, CPU, lessons=2, batch=4)
    batches = course.batches(0)
    crops = [next(batches) for _ in relay.CROPS]
    assert [tuple(one.shape) for one in crops] == [(4, 3, 64, 64)] * 3 + [(1, 3, 128, 128)]
    grid = to_pixels(np.stack([relay.render_whole(seed) for seed in range(2)]))
    corners = grid.unfold(2, 64, 4).unfold(3, 64, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 64, 64)
    for crop in crops[0]:
        assert (corners == crop).all((1, 2, 3)).any()


def test_pictures_are_rendered_once(monkeypatch):
    first = relay.rendered("means", relay.render_means, 2).copy()
    monkeypatch.setattr(relay, "render_means", None)
    assert np.array_equal(relay.rendered("means", relay.render_means, 2), first)


def test_the_first_stage_gets_the_words_of_its_pictures_or_none():
    course = relay.RelayFirstCourse(None, CPU, lessons=2, batch=64)
    pictures, words = next(course.batches(0))
    untold = (words == NO_WORD).all(1)
    assert 0 < untold.sum() < 20
    true = [to_pixels(relay.render_means(seed)[None])[0] for seed in range(2)]
    for picture, four in zip(pictures[~untold], words[~untold], strict=True):
        seed = 0 if torch.equal(picture, true[0]) else 1
        assert four.tolist() == scene_words(training_scene(seed))


@pytest.mark.parametrize("course_class", [relay.RelayCourse, relay.RelayFirstCourse])
def test_every_weight_learns_and_the_averaged_network_is_written(course_class, tmp_path):
    course = course_class(None, CPU, lessons=2, batch=8)
    optimizer = torch.optim.Adam(course.learner.parameters(), 1e-2)
    batches = course.batches(0)
    for _ in range(5):
        optimizer.zero_grad()
        loss, numbers = course.loss(next(batches), 0.0)
        loss.backward()
        optimizer.step()
    assert numbers["loss"] == pytest.approx((numbers["low levels"] + numbers["high levels"]) / 2)
    assert all(value.grad is not None and value.grad.any() for value in course.learner.parameters())
    course.write(course.learner, tmp_path)
    assert load_network(tmp_path, course.stage).shape == course.shape


def test_random_levels_cover_all_levels_evenly():
    u = relay.RelayCourse(None, CPU, lessons=2).random_levels(10)
    assert [int(10 * value) for value in u.tolist()] == list(range(10))

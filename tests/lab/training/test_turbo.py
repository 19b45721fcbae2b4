"""The course of Postcards Turbo: its targets, its times and its file."""

from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize

from engine import load_model
from engine.network.lora import fuse_loras
from lab.training.pool import Batch
from lab.training.turbo import LORA_FILE, TurboCourse, corrected_layers

POSTCARDS = Path("assets/postcards")


@pytest.fixture
def source(tmp_path):
    """The folder of the base, with no LoRA beside it."""
    folder = tmp_path / "postcards"
    folder.symlink_to(POSTCARDS.resolve())
    return folder


@pytest.fixture
def course(source):
    torch.manual_seed(0)
    return TurboCourse(source, torch.device("cpu"), lessons=16, batch=16)


@pytest.fixture
def batch(course):
    tokens = course.tokenize(["a red house on snow at night", "a blue boat on water at day"])
    return Batch(torch.randn(2, 8, 16, 16), tokens, torch.tensor([[256, 256, 0, 0, 256, 256]] * 2))


def test_a_step_has_the_noise_of_the_only_picture_there_is_as_its_target(course, batch, monkeypatch):
    # With a single picture x0 the perfect prediction is known, and all solvers arrive where DDIM does.
    x0 = torch.randn(2, 8, 16, 16)

    def perfect(noisy, t, batch):
        levels = course.levels(t)
        return (noisy - levels.alpha * x0) / levels.sigma

    monkeypatch.setattr(course, "guided_noise", perfect)
    t, after = torch.tensor([999, 124]), torch.tensor([874, -1])
    noise = torch.randn_like(x0)
    start = course.levels(t)
    noisy = start.alpha * x0 + start.sigma * noise
    target = course.target_of_step(noisy, perfect(noisy, t, batch), t, after, batch)
    torch.testing.assert_close(target, noise, rtol=1e-3, atol=1e-3)


def test_steps_begin_at_pure_noise_and_end_at_the_clean_latent(course):
    t, after = course.draw_times(2000)
    assert (t - after == 125).all()
    assert (t.max(), t.min(), after.min()) == (999, 124, -1)
    times = {999 - 125 * k for k in range(8)}
    assert 0.4 < sum(time in times for time in t.tolist()) / 2000 < 0.6


def test_it_begins_as_the_base_and_only_corrections_learn(course, batch):
    t = torch.tensor([500, 100])
    inputs = batch.latents, t, batch.tokens, batch.ids
    with torch.no_grad():
        torch.testing.assert_close(course.learner(*inputs), course.base(*inputs))
    loss, _ = course.loss(batch, 0.9)
    loss.backward()
    learned = [name for name, one in course.learner.named_parameters() if one.grad is not None]
    assert learned
    assert all(name.endswith((".0.up", ".0.down")) for name in learned)


def test_its_file_gives_the_engine_the_corrected_weights(course, tmp_path):
    for layer in corrected_layers(course.learner.unet).values():
        torch.nn.init.normal_(layer.parametrizations["weight"][0].up, std=0.01)
    course.write(course.learner, tmp_path)
    assert (tmp_path / LORA_FILE).stat().st_size < 4e6
    pipeline = load_model(POSTCARDS, dtype="float32").pipeline
    fuse_loras(pipeline, ((tmp_path / LORA_FILE, 1.0),))
    loaded = dict(pipeline.unet.named_modules())
    for name, layer in corrected_layers(course.learner.unet).items():
        assert parametrize.is_parametrized(layer, "weight")
        torch.testing.assert_close(loaded[name].weight, layer.weight, rtol=1e-2, atol=1e-3)


def test_a_training_continues_from_the_file_beside_the_base(course, source):
    for layer in corrected_layers(course.learner.unet).values():
        torch.nn.init.normal_(layer.parametrizations["weight"][0].up, std=0.01)
    course.write(course.learner, source.parent)
    other = TurboCourse(source, torch.device("cpu"), lessons=16, batch=16)
    layers = corrected_layers(course.learner.unet)
    for name, layer in corrected_layers(other.learner.unet).items():
        torch.testing.assert_close(layer.weight, layers[name].weight, rtol=1e-2, atol=1e-3)

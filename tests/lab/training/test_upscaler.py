"""The upscaler's course: its network, its pairs and its loss."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from spandrel import ModelLoader
from torch.nn.functional import avg_pool2d, interpolate

from engine.paths import ASSETS
from lab.measure.vae_quality import psnr
from lab.training import upscaler
from lab.training.upscaler import UpscalerCourse
from lab.world.scenes import held_out_scenes, render

POSTCARDS = ASSETS / "postcards"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def course():
    return UpscalerCourse(None, CPU, lessons=1, batch=4)


def renderings(*numbers):
    """Return renderings in bytes (N, 3, rows, cols)."""
    examples = upscaler.Renderings(max(numbers) + 1, seed=0)
    return torch.stack([examples[number] for number in numbers])


def test_spandrel_reads_the_file_as_the_same_network(tmp_path):
    file, picture = tmp_path / "network.safetensors", torch.rand(1, 3, 20, 28)
    upscaler.write_network(upscaler.new_network(), file)
    found = ModelLoader().load_from_state_dict(load_file(file))
    assert (found.architecture.id, found.scale) == ("Compact", 2)
    with torch.inference_mode():
        assert torch.equal(found.model(picture), upscaler.read_network(file)(picture))


def test_weights_are_written_as_float16(tmp_path):
    file = tmp_path / "network.safetensors"
    upscaler.write_network(upscaler.new_network(), file)
    assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float16}
    assert file.stat().st_size < 1_300_000


def test_a_new_network_changes_the_enlarged_picture_a_little():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        change = upscaler.new_network()(picture) - interpolate(picture, scale_factor=2)
    assert 0 < change.abs().mean() < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_a_shrunk_picture_keeps_the_mean_colours_of_areas(seed):
    pixels = upscaler.to_pixels(renderings(0))
    small = upscaler.shrink(pixels, np.random.RandomState(seed))
    assert small.shape == (1, 3, 128, 128)
    assert (avg_pool2d(small, 8) - avg_pool2d(pixels, 16)).abs().max() < 0.05


def test_a_number_gives_the_same_rendering_again():
    examples = upscaler.Renderings(2, seed=5)
    assert torch.equal(examples[1], upscaler.Renderings(2, seed=5)[1])
    assert not torch.equal(examples[0], examples[1])
    with pytest.raises(IndexError):
        examples[2]


def test_the_small_pictures_of_a_batch_show_what_the_true_ones_show(course):
    true = renderings(0, 1, 2)
    worn = upscaler.to_bytes(course.wear(avg_pool2d(upscaler.to_pixels(true), 2)))
    course.batch_size = 24
    pixels, small = course.random_pairs(true, worn)
    course.batch_size = 4
    assert (pixels.shape, small.shape) == ((24, 3, 128, 128), (24, 3, 64, 64))
    distances = (small - avg_pool2d(pixels, 2)).abs().mean((1, 2, 3))
    shifted = (small - avg_pool2d(pixels.roll(6, -1), 2)).abs().mean((1, 2, 3))
    assert distances[:18].mean() < 0.01
    assert distances[18:].mean() > 0.01
    assert (distances < shifted).all()


@pytest.mark.parametrize(
    ("share", "parts"),
    [
        (0.0, {"dB clean", "dB worn"}),
        (0.5, {"dB clean", "dB worn"}),
        (0.95, {"dB clean", "dB worn", "strength", "score"}),
    ],
)
def test_only_the_last_part_of_the_training_uses_the_critic(course, share, parts):
    before = [weight.clone() for weight in course.critic.parameters()]
    true = torch.rand(2, 3, 64, 64) * 2 - 1
    total, numbers = course.loss((true, avg_pool2d(true, 2)), share)
    total.backward()
    assert set(numbers) == parts
    assert all(weight.grad is not None for weight in course.learner.parameters())
    moved = any(not torch.equal(a, b) for a, b in zip(before, course.critic.parameters(), strict=True))
    assert moved == ("score" in parts)


def test_the_critic_learns_to_tell_blurred_pictures_from_true_ones():
    torch.manual_seed(0)
    course = UpscalerCourse(None, CPU)
    true = upscaler.to_pixels(renderings(0, 1)[..., 96:160, 96:160])
    made = avg_pool2d(true, 5, 1, 2)
    for _ in range(25):
        score = course.critic_score(made, true)
    assert score < course.critic(true).mean()


def test_the_weights_from_before_the_critic_are_kept(course, tmp_path):
    true = torch.rand(2, 3, 64, 64) * 2 - 1
    files = [tmp_path / upscaler.FOLDER / name for name in (upscaler.FILE, upscaler.FAITHFUL_FILE)]
    course.loss((true, avg_pool2d(true, 2)), 0.5)
    course.write(course.learner, tmp_path)
    faithful = files[1].read_bytes()
    assert files[0].read_bytes() == faithful
    course.loss((true, avg_pool2d(true, 2)), 0.95)
    course.write(upscaler.new_network(), tmp_path)
    assert files[1].read_bytes() == faithful
    assert files[0].read_bytes() != faithful


def test_training_continues_from_the_upscaler_of_a_folder(tmp_path):
    (tmp_path / "vae").symlink_to(POSTCARDS / "vae")
    network = upscaler.new_network(8, 2)
    upscaler.write_network(network, tmp_path / upscaler.FOLDER / upscaler.FILE)
    learner = UpscalerCourse(tmp_path, CPU).learner
    assert torch.equal(learner.body[0].weight, network.body[0].weight.half().float())


@pytest.mark.slow
def test_squares_move_a_new_network_at_once():
    torch.manual_seed(0)
    course = UpscalerCourse(None, CPU, batch=2)
    true = upscaler.to_pixels(renderings(0, 1)[..., :64, :64])
    pairs = (true, avg_pool2d(true, 2))
    optimizer = torch.optim.AdamW(course.learner.parameters(), course.rate)
    losses = []
    for _ in range(60):
        loss, _ = course.loss(pairs, 0.0)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    nearest = interpolate(pairs[1], scale_factor=2)
    clean, worn = (nearest - true).square().mean((1, 2, 3))
    plain = upscaler.SQUARES_WEIGHT * (clean + upscaler.WORN_SQUARES_WEIGHT * worn)
    assert losses[-1] < plain < losses[0]


@pytest.mark.slow
def test_the_upscaler_in_the_box_is_closer_to_the_truth_than_bicubic_enlargement():
    network = upscaler.read_network(POSTCARDS / upscaler.FOLDER / upscaler.FILE)
    gains = []
    for scene in held_out_scenes(6):
        part = render(scene, (512, 512), (128, 128, 256, 256))
        true = upscaler.to_pixels(torch.from_numpy(part).permute(2, 0, 1)[None])
        small = avg_pool2d(true, 2)
        with torch.inference_mode():
            made = 2 * network((small + 1) / 2) - 1
        gains.append(psnr(made, true) - psnr(interpolate(small, scale_factor=2, mode="bicubic"), true))
    assert np.mean(gains) > 1

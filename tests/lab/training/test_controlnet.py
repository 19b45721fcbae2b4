"""The ControlNet's course: edge maps, an untrained ControlNet, and what is trained and written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file

from engine.paths import ASSETS
from lab.training import controlnet, train
from lab.training.controlnet import ControlNetCourse, canny_edges, halve, pack_bits, unpack_maps

POSTCARDS = ASSETS / "postcards"


@pytest.fixture(scope="module")
def course():
    return ControlNetCourse(POSTCARDS, torch.device("cpu"), lessons=16, batch=16)


def network_inputs(course, size=16, count=2):
    """Return noisy latents, times, tokens and size ids."""
    torch.manual_seed(0)
    tokens = course.tokenize(["a red house on snow at night"] * count)
    ids = torch.tensor([[256, 256, 0, 0, 256, 256]] * count)
    return torch.randn(count, course.channels, size, size), torch.full((count,), 500), tokens, ids


def square():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:48, 16:48] = 255
    return picture


def test_lines_run_where_the_picture_changes():
    rows, cols = np.nonzero(canny_edges(square(), 100, 200))
    assert set(rows) | set(cols) <= set(range(14, 50))
    assert not canny_edges(square(), 100, 200)[20:44, 20:44].any()
    assert len(rows) > 100


def test_a_picture_at_half_its_side_has_its_own_lines():
    half = canny_edges(halve(square()), 100, 200)
    assert half.shape == (32, 32)
    assert 50 < half.sum() < 70


def test_packed_lines_come_back_as_three_white_channels():
    lines = np.zeros((2, 16, 24), bool)
    lines[0, 3, 10] = lines[1, 15, 23] = True
    bits = pack_bits(list(lines))
    assert (bits.shape, bits.dtype) == ((2, 16, 3), torch.uint8)
    back = unpack_maps(bits)
    assert (back.shape, back.dtype) == ((2, 3, 16, 24), torch.float32)
    assert torch.equal(back, torch.tensor(lines[:, None].repeat(3, 1)).float())


def test_every_lesson_keeps_its_lines_at_both_sizes(course):
    whole, half = course.extras(torch.from_numpy(np.stack([square()] * 3)))
    assert whole.shape == (3, 64, 8)
    assert half.shape == (3, 32, 4)


def test_an_untrained_controlnet_changes_nothing(course):
    fresh = controlnet.new_controlnet(course.pipe.unet)
    noisy, t, tokens, ids = network_inputs(course)
    lines = (torch.rand(2, 1, 128, 128) < 0.1).float().expand(-1, 3, -1, -1)
    with torch.inference_mode():
        controlled = controlnet.ControlledBase(course.frozen, fresh)(noisy, t, tokens, ids, lines)
        assert torch.equal(controlled, course.frozen(noisy, t, tokens, ids))


def test_only_the_controlnet_is_trained(course, tmp_path):
    before = {name: value.clone() for name, value in course.frozen.state_dict().items()}
    mine = {name: value.clone() for name, value in course.learner.state_dict().items()}
    training = train.Training(course, 1, tmp_path / "state")
    batches = course.batches(0)
    for _ in range(2):
        numbers = training.train_batch(next(batches))
    assert np.isfinite(numbers["loss"])
    assert all(torch.equal(value, before[name]) for name, value in course.frozen.state_dict().items())
    moved = [
        name for name, value in course.learner.state_dict().items() if not torch.equal(value, mine[name])
    ]
    assert "controlnet_down_blocks.0.weight" in moved
    assert "controlnet_cond_embedding.conv_in.weight" in moved


def test_it_is_written_beside_the_other_parts_and_can_be_loaded(course, tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    course.write(course.learner, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model_index.json", "controlnet"}
    assert (tmp_path / "model_index.json").read_text() == "{}"
    file = tmp_path / "controlnet" / controlnet.FILE
    assert file.stat().st_size < 9 * 2**20
    assert {value.dtype for value in load_file(file).values()} == {torch.float16}
    again = ControlNetModel.from_pretrained(tmp_path / "controlnet", use_safetensors=True)
    theirs = json.loads(Path(POSTCARDS, "unet", "config.json").read_text())
    for name in ("in_channels", "cross_attention_dim", "projection_class_embeddings_input_dim"):
        assert again.config[name] == theirs[name]
    assert list(again.config.block_out_channels) == theirs["block_out_channels"]


def test_training_continues_from_the_weights_of_the_folder(course, tmp_path):
    fresh = controlnet.new_controlnet(course.pipe.unet)
    torch.nn.init.ones_(fresh.controlnet_mid_block.weight)
    course.write(fresh, tmp_path)
    other = controlnet.new_controlnet(course.pipe.unet)
    assert controlnet.load_saved(other, tmp_path)
    assert (other.controlnet_mid_block.weight == 1).all()


def test_weights_that_do_not_fit_are_not_loaded(course, tmp_path):
    (tmp_path / "controlnet").mkdir()
    (tmp_path / "controlnet" / controlnet.FILE).write_bytes(b"no weights")
    assert not controlnet.load_saved(controlnet.new_controlnet(course.pipe.unet), tmp_path)
    assert not controlnet.load_saved(controlnet.new_controlnet(course.pipe.unet), tmp_path / "nowhere")

"""A stage starts from noise, from the enlarged stage below, or from a start image."""

from types import SimpleNamespace

import pytest
import torch

from engine.formulas.noise import Noise
from engine.planning.plan import plan
from engine.recipe.recipe import Recipe
from engine.sampling import relay
from engine.sampling.solver import Solver
from engine.sampling.start import LoopInputs, anchor_noise, enlarge, no_start_image, start_stage
from tests.support.planning import make_facts
from tests.support.tiny import SCHEDULER

CONFIG = SCHEDULER | {"prediction_type": "epsilon"}


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def start(*arguments):
    """Return the start of a stage that no upscaler enlarges."""
    signals = start_stage(*arguments)
    with pytest.raises(StopIteration) as end:
        next(signals)
    return end.value.value


def inputs(start_image=no_start_image):
    return LoopInputs(SimpleNamespace(device=torch.device("cpu")), Noise(0), start_image)


def test_enlarging_keeps_gradients_and_positions():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    large = enlarge(ramp, (8, 16))
    assert large[0, 0, 4, 4:12].tolist() == pytest.approx(
        [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25], abs=0.05
    )


def test_a_stage_begins_at_the_noise_level_of_its_first_step():
    toy = make_facts(16, scheduler=CONFIG)
    planned = plan(Recipe(scales=(1, 2), scheduler="ddim"), toy)
    stage = planned.stages[1]
    assert stage.schedule.first > 0
    held = Solver("ddim", CONFIG, 50, stage.schedule)
    below = random(1, 4, 16, 16)
    canvas, anchor, picture = start(below, stage, held, inputs())
    assert picture is None
    assert torch.equal(canvas, anchor.noised(stage.schedule.first))
    alpha, sigma = held.noise_level(stage.schedule.first)
    noise = torch.from_numpy(Noise(0).stage(2.0, (1, 4, 32, 32)))
    assert torch.allclose(canvas, alpha * enlarge(below, (32, 32)) + sigma * noise)


def test_a_start_image_takes_the_place_of_the_enlargement():
    toy = make_facts(16, scheduler=CONFIG)
    stage = plan(Recipe(scales=(1, 2), scheduler="ddim"), toy).stages[1]
    held, photo = Solver("ddim", CONFIG, 50, stage.schedule), random(1, 4, 32, 32)
    for below in (random(1, 4, 16, 16), None):
        canvas, anchor, _ = start(below, stage, held, inputs(lambda stage, below: photo))
        assert anchor.enlargement is photo
        assert torch.equal(canvas, anchor.noised(stage.schedule.first))


def relay_stage(scales=(1, 2), **changes):
    recipe = Recipe(method="relay", scales=scales, scheduler="ddim", **changes)
    return plan(recipe, make_facts(16, scheduler=CONFIG)).stages[-1]


def started(stage, below=None, image=None):
    """Return a stage's anchor, without noise."""
    held = Solver.for_stage(stage)
    canvas, anchor, _ = start(below, stage, held, inputs(lambda stage, below: image))
    assert torch.equal(canvas, anchor.noised(stage.schedule.first))
    return anchor.enlargement


def test_a_blurred_stage_begins_with_repeated_cells():
    below = random(1, 4, 16, 16)
    repeated = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(started(relay_stage(), below), repeated, atol=1e-6)
    sharp = started(relay_stage(options={"unblur": 0}), below)
    assert torch.equal(sharp, enlarge(below, (32, 32)))


def test_a_stage_1_5_times_as_large_repeats_cells_once_or_twice():
    below = torch.arange(4.0).repeat_interleave(4).expand(1, 4, 16, 16)
    assert enlarge(below, (24, 24), repeat=True)[0, 0, 0].unique().tolist() == [0, 1, 2, 3]


def test_a_start_image_is_blurred_in_its_blocks(photo):
    stage, picture = relay_stage(image=str(photo)), random(1, 4, 32, 32)
    blurred = relay.blurred(picture, 3.0, 2)
    assert torch.allclose(started(stage, random(1, 4, 16, 16), picture), blurred, atol=1e-6)


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_a_relay_stage_mixes_block_noise_into_its_noise(share):
    stage = relay_stage((1, 4), options={"block": share})
    noise, shape = Noise(0), (1, 4, 64, 64)
    white, source = (torch.from_numpy(draw(4.0, shape)) for draw in (noise.stage, noise.block))
    made = anchor_noise(stage, noise, torch.device("cpu"))
    assert torch.equal(made, relay.mixed(white, source, 4, share))
    assert made.std().item() == pytest.approx(1, abs=0.05)


def test_without_block_noise_a_stage_has_the_white_noise_of_other_methods():
    noise = Noise(0)
    made = anchor_noise(relay_stage(options={"block": 0}), noise, torch.device("cpu"))
    assert torch.equal(made, torch.from_numpy(noise.stage(2.0, (1, 4, 32, 32))))

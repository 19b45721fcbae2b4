"""A stage starts from noise, from the enlarged stage below, or from a start image."""

from types import SimpleNamespace

import pytest
import torch

from engine.formulas.noise import Noise
from engine.planning.plan import plan
from engine.recipe.recipe import Recipe
from engine.sampling.solver import Solver
from engine.sampling.start import LoopInputs, enlarge, no_start_image, start_stage
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

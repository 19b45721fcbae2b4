import numpy as np
import pytest
import torch

from engine.formulas.noise import Noise
from engine.formulas.schedule import Step, of_base
from engine.formulas.timesteps import timesteps
from engine.planning.plan import plan
from engine.recipe.recipe import Recipe
from engine.sampling.guidance import guide
from engine.sampling.solver import Solver
from engine.sampling.start import Anchor, begin, enlarge
from engine.sampling.tone import Tone
from tests.support.tiny import SCHEDULER
from tests.support.toys import facts

CONFIG = SCHEDULER | {"prediction_type": "epsilon"}


def solver(name):
    return Solver(name, CONFIG, 10, of_base(timesteps(name, CONFIG, 10)))


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_enlarging_keeps_a_slope_and_the_place_of_things():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    large = enlarge(ramp, (8, 16))
    assert large[0, 0, 4, 4:12].tolist() == pytest.approx(
        [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25], abs=0.05
    )


@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m"])
def test_the_skip_residual_mixes_canvas_and_anchor(name):
    z0, eps, canvas = random(3, 1, 4, 8, 8)
    held = solver(name)
    anchor = Anchor(z0, eps, held)
    alpha, sigma = held.level(3)
    pulled = anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), None)
    assert torch.allclose(pulled, 0.75 * canvas + 0.25 * (alpha * z0 + sigma * eps), atol=1e-5)
    assert torch.equal(anchor.pull(canvas, Step(3, 0, 0, 0, 0), None), canvas)


def test_lcm_which_keeps_nothing_of_its_canvas_is_pulled_from_the_foreseen_picture():
    z0, eps, canvas, clean = random(4, 1, 4, 8, 8)
    held = solver("lcm")
    alpha, _ = held.level(3)
    anchor = Anchor(z0, eps, held)
    assert torch.equal(anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), None), canvas)
    pulled = anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), clean)
    assert torch.allclose(pulled, canvas + 0.25 * alpha * (z0 - clean), atol=1e-5)


def test_an_ancestral_step_leaves_the_picture_that_its_anchor_follows():
    """Whatever is predicted: the canvas less the noise that was drawn is the followed picture."""
    z0, eps, *foreseen = random(6, 1, 4, 8, 8)
    held, none = solver("euler_a"), torch.zeros(1, 4, 8, 8)
    anchor, step = Anchor(z0, eps, held), Step(3, 0, 0.25, 0, 0)
    canvas = z0  # Without its noise.
    for n, x0 in enumerate(foreseen):
        i = step.index + n
        sigma = held.level(i)[1]
        canvas = held.step((canvas - x0) / sigma, i, canvas, lambda: none)
        pulled = anchor.pull(canvas, step._replace(index=i + 1), x0)
        assert torch.allclose(pulled, anchor.picture, atol=1e-5)
        assert not torch.allclose(pulled, canvas, atol=1e-3)
        canvas = pulled


def test_a_stage_begins_at_the_noise_of_its_first_worked_step():
    toy = facts(16, scheduler=CONFIG)
    planned = plan(Recipe(scales=(1, 2), scheduler="ddim"), toy)
    stage = planned.stages[1]
    assert stage.schedule.first > 0
    held = Solver("ddim", CONFIG, 50, stage.schedule)
    below = random(1, 4, 16, 16)
    canvas, anchor = begin(below, stage, held, Noise(0), (1, 4, 32, 32), torch.device("cpu"))
    assert torch.equal(canvas, anchor.at(stage.schedule.first))
    alpha, sigma = held.level(stage.schedule.first)
    noise = torch.from_numpy(Noise(0).stage(2.0, (1, 4, 32, 32)))
    assert torch.allclose(canvas, alpha * enlarge(below, (32, 32)) + sigma * noise)


def test_what_is_given_takes_the_place_of_the_enlargement():
    toy = facts(16, scheduler=CONFIG)
    stage = plan(Recipe(scales=(1, 2), scheduler="ddim"), toy).stages[1]
    held, shape, photo = Solver("ddim", CONFIG, 50, stage.schedule), (1, 4, 32, 32), random(1, 4, 32, 32)
    start = (stage, held, Noise(0), shape, torch.device("cpu"), lambda stage, below: photo)
    for below in (random(1, 4, 16, 16), None):
        canvas, anchor = begin(below, *start)
        assert anchor.clean is photo
        assert torch.equal(canvas, anchor.at(stage.schedule.first))


def test_tone_is_given_exactly():
    tone = Tone.of(3 + 0.5 * random(1, 4, 16, 16))
    matched = tone.match(random(1, 4, 32, 32) * 7 - 2)
    assert matched.mean().item() == pytest.approx(tone.mean, abs=1e-5)
    assert matched.std().item() == pytest.approx(tone.deviation, rel=1e-5)


def test_tone_of_itself_changes_nothing():
    latent = random(1, 4, 16, 16)
    assert torch.allclose(Tone.of(latent).match(latent), latent, atol=1e-6)


def test_guidance_is_linear_and_one_prediction_passes():
    plain_, prompted = random(2, 1, 4, 8, 8)
    both = torch.cat([plain_, prompted])
    assert torch.allclose(guide(both, 5.0), plain_ + 5 * (prompted - plain_))
    assert torch.equal(guide(prompted, 5.0), prompted)


def test_rescaled_guidance_has_the_prompted_deviation():
    both = random(2, 4, 8, 8)
    full, half = guide(both, 7.5, 1.0), guide(both, 7.5, 0.5)
    assert full.std().item() == pytest.approx(both[1].std().item(), rel=1e-5)
    assert np.allclose(half, (full + guide(both, 7.5)) / 2, atol=1e-5)

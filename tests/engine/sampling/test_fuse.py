from functools import partial

import pytest
import torch

from engine.formulas.noise import Noise
from engine.formulas.schedule import Step
from engine.planning.plan import plan
from engine.recipe.recipe import Recipe
from engine.sampling.denoiser import Denoiser
from engine.sampling.fuse import blur, field
from tests.support.toys import Echo, facts


def through(stage, canvas, network, *, share, deviation=0.0, batch=3, copies=1, offset=lambda *_: (0, 0)):
    """The field's answer for one step with this share of lattices."""
    breaths = field(
        Denoiser(network, None, copies, batch), canvas, stage, Step(0, 500, 0, share, deviation), offset
    )
    while True:
        try:
            next(breaths)
        except StopIteration as end:
            return end.value


def stage_of(number=2, window=16, **recipe):
    return plan(Recipe(**recipe), facts(window)).stages[number - 1]


SHAPES = [
    {"scales": (1, 2)},
    {"scales": (1, 2), "stride": 5},
    {"width": 264, "height": 248, "scales": (1, 2)},
    {"width": 512, "height": 128},
    {"width": 424, "height": 376, "scales": (1, 3)},
    {"width": 256, "height": 256, "stride": 8, "faithful": True},
    {"width": 384, "height": 384, "stride": 4, "faithful": True},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_cutting_and_pasting_is_the_identity(shape, share):
    """Windows overlap, are shaken and weighted, lattices are padded: an echo must come back as it was."""
    stage = stage_of(**shape)
    shake = partial(Noise(0).jitter, 2, 0, (stage.rows, stage.cols))
    canvas = torch.randn(1, 4, stage.rows, stage.cols, generator=torch.Generator().manual_seed(0))
    fused = through(stage, canvas, Echo(), share=share, offset=shake)
    assert torch.allclose(fused.predictions, canvas, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_blend_weights_sum_to_one(share):
    class Ones:
        def predict(self, latents, t, text, ids, guides=(), bends=()):
            return torch.ones_like(latents)

    stage = stage_of(scales=(1, 3), stride=5)
    fused = through(stage, torch.zeros(1, 4, 48, 48), Ones(), share=share)
    assert torch.allclose(fused.predictions, torch.ones(1, 4, 48, 48), atol=1e-6)


def test_the_share_weighs_lattices_against_windows():
    class Which:
        """Lattices carry no corner in their ids and the base's size."""

        def predict(self, latents, t, text, ids, guides=(), bends=()):
            is_lattice = (ids[:, 0] == 128).float()
            return latents * 0 + is_lattice[:, None, None, None]

    fused = through(stage_of(scales=(1, 2)), torch.zeros(1, 4, 32, 32), Which(), share=0.3)
    assert fused.predictions.unique().tolist() == pytest.approx([0.3])


def test_both_predictions_come_back_in_their_order():
    class Texts:
        """The first half of a batch is under the first text."""

        def predict(self, latents, t, text, ids, guides=(), bends=()):
            half = len(latents) // 2
            return latents * 0 + torch.tensor([0.0] * half + [1.0] * half)[:, None, None, None]

    fused = through(stage_of(scales=(1, 2)), torch.zeros(1, 4, 32, 32), Texts(), share=0.5, copies=2)
    assert [row.unique().tolist() for row in fused.predictions] == [pytest.approx([0]), pytest.approx([1])]


def test_the_lattices_see_the_canvas_blurred_and_the_windows_as_it_is():
    stage = stage_of(scales=(1, 2))
    canvas = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    fused = through(stage, canvas, Echo(), share=0.4, deviation=0.8)
    smooth = blur(canvas, 0.8, stage.kernel, reflect=True)
    assert torch.allclose(fused.seen, 0.6 * canvas + 0.4 * smooth, atol=1e-6)
    assert torch.allclose(fused.predictions, fused.seen, atol=1e-5)


@pytest.mark.parametrize("reflect", [True, False])
def test_blur_keeps_mean_and_deviation(reflect):
    canvas = 3 + 2 * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    smooth = blur(canvas, 0.8, 5, reflect=reflect)
    assert smooth.mean().item() == pytest.approx(canvas.mean().item(), abs=1e-4)
    assert smooth.std().item() == pytest.approx(canvas.std().item(), rel=1e-4)
    assert (smooth.diff() ** 2).mean() < 0.5 * (canvas.diff() ** 2).mean()


def test_blur_is_a_gaussian():
    canvas = torch.zeros(1, 1, 9, 9)
    canvas[..., 4, 4] = 1
    row = blur(canvas, 1.0, 5, reflect=True)[0, 0, 4]
    floor = row[0]
    assert ((row[4] - floor) / (row[3] - floor)).item() == pytest.approx(2.718281828**0.5, rel=1e-4)


def test_the_kernel_is_the_papers_or_the_codes():
    assert stage_of(scales=(1, 3)).kernel == 9
    assert stage_of(scales=(1, 3), kernel="code").kernel == 5


def test_the_field_breathes_after_every_call():
    stage = stage_of(scales=(1, 2))
    denoiser = Denoiser(Echo(), None, 1, 4)
    breaths = list(
        field(denoiser, torch.zeros(1, 4, 32, 32), stage, Step(0, 500, 0, 0.5, 0), lambda *_: (0, 0))
    )
    assert len(breaths) == denoiser.calls == 3 + 1
    assert denoiser.evaluations == 9 + 4

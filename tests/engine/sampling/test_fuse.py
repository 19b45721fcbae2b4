from types import SimpleNamespace

import pytest
import torch

from engine.formulas.noise import Noise
from engine.formulas.schedule import Step
from engine.network.text import Text
from engine.planning.patches import NO_PATCHES, StepPatches
from engine.planning.plan import plan
from engine.planning.views import views_at
from engine.recipe.recipe import Recipe
from engine.sampling.denoiser import Denoiser
from engine.sampling.fuse import blend, blur, predict
from engine.sampling.signals import NetworkCalled
from tests.support.known_networks import EchoNetwork
from tests.support.planning import make_facts

UNSHIFTED = Noise(0, SimpleNamespace(jitter=lambda stage, i, view: (0, 0)))


def predicting(denoiser, stage, canvas, c2, deviation=0.0, noise=UNSHIFTED):
    """Return the generator of one step's predictions."""
    step = Step(0, 500, 0, c2, deviation)
    return predict(denoiser, canvas, stage, step, views_at(stage, step, noise), NO_PATCHES)


def fused(stage, canvas, network, *, c2, deviation=0.0, batch=3, passes=1, noise=UNSHIFTED):
    """Return the blended prediction of one step with this share of dilated views."""
    denoiser = Denoiser(network, None, passes, batch)
    return blended(predicting(denoiser, stage, canvas, c2, deviation, noise), c2)


def blended(signals, c2):
    """Return the blended prediction at the end of the generator of one step's predictions."""
    while True:
        try:
            next(signals)
        except StopIteration as end:
            return blend(*end.value, c2)


def stage_of(number=2, window=16, **recipe):
    return plan(Recipe(**recipe), make_facts(window)).stages[number - 1]


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
@pytest.mark.parametrize("c2", [0.0, 0.3, 1.0])
def test_cropping_and_blending_is_the_identity(shape, c2):
    """Windows overlap, are shifted and weighted, dilated views are padded: an echo must come back as it was."""
    stage = stage_of(**shape)
    canvas = torch.randn(1, 4, stage.rows, stage.cols, generator=torch.Generator().manual_seed(0))
    prediction = fused(stage, canvas, EchoNetwork(), c2=c2, noise=Noise(0))
    assert torch.allclose(prediction.values, canvas, atol=1e-5)


@pytest.mark.parametrize("c2", [0.0, 0.3, 1.0])
def test_blend_weights_sum_to_one(c2):
    class Ones:
        def predict(self, latents, t, text, size_ids, controls=(), patches=()):
            return torch.ones_like(latents)

    stage = stage_of(scales=(1, 3), stride=5)
    prediction = fused(stage, torch.zeros(1, 4, 48, 48), Ones(), c2=c2)
    assert torch.allclose(prediction.values, torch.ones(1, 4, 48, 48), atol=1e-6)


def test_c2_weighs_dilated_views_against_windows():
    class Which:
        """Predicts 1 for dilated views, which have the base's size in their size ids."""

        def predict(self, latents, t, text, size_ids, controls=(), patches=()):
            is_dilated = (size_ids[:, 0] == 128).float()
            return latents * 0 + is_dilated[:, None, None, None]

    prediction = fused(stage_of(scales=(1, 2)), torch.zeros(1, 4, 32, 32), Which(), c2=0.3)
    assert prediction.values.unique().tolist() == pytest.approx([0.3])


def test_both_predictions_of_guidance_keep_their_order():
    class Texts:
        """The first half of a batch is under the first text."""

        def predict(self, latents, t, text, size_ids, controls=(), patches=()):
            half = len(latents) // 2
            return latents * 0 + torch.tensor([0.0] * half + [1.0] * half)[:, None, None, None]

    prediction = fused(stage_of(scales=(1, 2)), torch.zeros(1, 4, 32, 32), Texts(), c2=0.5, passes=2)
    assert [row.unique().tolist() for row in prediction.values] == [pytest.approx([0]), pytest.approx([1])]


def test_dilated_views_see_the_canvas_blurred_and_windows_as_it_is():
    stage = stage_of(scales=(1, 2))
    canvas = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    prediction = fused(stage, canvas, EchoNetwork(), c2=0.4, deviation=0.8)
    smooth = blur(canvas, 0.8, stage.blur_kernel, reflect=True)
    assert torch.allclose(prediction.input, 0.6 * canvas + 0.4 * smooth, atol=1e-6)
    assert torch.allclose(prediction.values, prediction.input, atol=1e-5)


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


def test_the_blur_kernel_is_the_papers_or_the_published_codes():
    assert stage_of(scales=(1, 3)).blur_kernel == 9
    assert stage_of(scales=(1, 3), kernel="code").blur_kernel == 5


def test_there_is_a_signal_after_every_call_of_the_network():
    denoiser = Denoiser(EchoNetwork(), None, 1, 4)
    signals = list(predicting(denoiser, stage_of(scales=(1, 2)), torch.zeros(1, 4, 32, 32), 0.5))
    assert signals == [NetworkCalled()] * 4
    assert denoiser.calls == 3 + 1
    assert denoiser.evaluations == 9 + 4


@pytest.mark.parametrize("passes", [1, 2])
def test_padding_a_last_batch_changes_sizes_of_batches_and_nothing_else(passes):
    sizes = []

    class SizingNetwork(EchoNetwork):
        def predict(self, latents, *args, **more):
            sizes.append(len(latents))
            return super().predict(latents, *args, **more)

    stage, canvas = stage_of(scales=(1, 2)), torch.randn(1, 4, 32, 32)
    denoisers = [Denoiser(SizingNetwork(), None, passes, 7, pads_batches=pads) for pads in (False, True)]
    plain, padded = (blended(predicting(denoiser, stage, canvas, 0.5), 0.5).values for denoiser in denoisers)
    assert torch.equal(plain, padded)
    # Nine windows and four dilated views.
    assert sizes == [passes * views for views in (7, 2, 4, 7, 7, 7)]
    assert denoisers[0].evaluations == denoisers[1].evaluations == passes * 13


def test_there_is_a_signal_between_the_two_calls_of_noise_damped_guidance():
    stage = stage_of(number=1, method="direct", scales=(1, 2))
    step, denoiser = Step(0, 500, 0, 0, 0), Denoiser(EchoNetwork(), Text(torch.zeros(2, 1, 1)), 2, 1)
    patches = StepPatches(mild=())
    views = views_at(stage, step, UNSHIFTED)
    signals = predict(denoiser, torch.zeros(1, 4, 32, 32), stage, step, views, patches)
    assert (next(signals), denoiser.calls, denoiser.evaluations) == (NetworkCalled(), 1, 2)
    assert (next(signals), denoiser.calls, denoiser.evaluations) == (NetworkCalled(), 2, 3)

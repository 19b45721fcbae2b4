"""Predictions for the whole canvas, fused from the predictions for its views.

The generators yield NetworkCalled after each call of the network, so that a run can report progress and stop
between two calls.
"""

from collections.abc import Generator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from engine.formulas.schedule import Step
from engine.planning.patches import NO_PATCHES, StepPatches
from engine.planning.stage import Stage
from engine.planning.views import View, Views, dilation_padding
from engine.sampling.denoiser import Denoiser
from engine.sampling.signals import NetworkCalled
from engine.sampling.tone import with_tone


class Prediction(NamedTuple):
    """The network's raw predictions for the whole canvas, and the input from which they were made."""

    # Tensor (1 to 3, C, rows, cols): unconditional and conditional predictions, or the conditional one alone. With
    # noise-damped guidance a third prediction follows: unconditional, by the network with the mild patches.
    values: Tensor
    # The input for the whole canvas (1, C, rows, cols); blurred for dilated views.
    input: Tensor


# Yields NetworkCalled after each call of the network, and returns the prediction.
PredictionGenerator = Generator[NetworkCalled, None, Prediction]


def predict(
    denoiser: Denoiser, model_input: Tensor, stage: Stage, step: Step, views: Views, patches: StepPatches
) -> Generator[NetworkCalled, None, tuple[Prediction | None, Prediction | None]]:
    """Return the predictions from local views and from dilated views; None for a type of view that the step lacks."""
    local = dilated = None
    if views.local:
        local = yield from predict_local(denoiser, model_input, stage, step, views.local, patches)
    if views.dilated:
        dilated = yield from predict_dilated(denoiser, model_input, stage, step, views.dilated)
    return local, dilated


def blend(local: Prediction | None, dilated: Prediction | None, c2: float) -> Prediction:
    """Return (1 - c2) local + c2 dilated, both for the predictions and for their inputs.

    If one of the two predictions is None, return the other.
    """
    if local is None or dilated is None:
        only = dilated if local is None else local
        if only is None:
            raise ValueError("a step needs local or dilated views")
        return only
    # Dilated views have native size and need no patches: their unconditional prediction also serves as the mild one.
    missing = len(local.values) - len(dilated.values)
    values = torch.cat([dilated.values, dilated.values[:missing]])
    return Prediction(
        (1 - c2) * local.values + c2 * values,
        (1 - c2) * local.input + c2 * dilated.input,
    )


def predict_local(
    denoiser: Denoiser,
    model_input: Tensor,
    stage: Stage,
    step: Step,
    views: tuple[View, ...],
    patches: StepPatches,
) -> PredictionGenerator:
    """Return the prediction from the local views: windows, or a single view of the whole canvas."""
    m = 0 if stage.sees_whole_canvas else stage.jitter_padding
    source = pad(model_input, (m, m, m, m)) if m else model_input
    values = yield from fuse(denoiser, source, views, stage, step, patches)
    return Prediction(values[..., m : m + stage.rows, m : m + stage.cols], model_input)


def predict_dilated(
    denoiser: Denoiser, model_input: Tensor, stage: Stage, step: Step, views: tuple[View, ...]
) -> PredictionGenerator:
    """Return the prediction from the dilated views, which are taken from the blurred canvas."""
    edges = dilation_padding(stage)
    mode = "constant" if stage.faithful else "reflect"
    source = pad(model_input, edges, mode=mode) if any(edges) else model_input
    blurred = blur(source, step.blur, stage.blur_kernel, reflect=not stage.faithful)
    values = yield from fuse(denoiser, blurred, views, stage, step)
    left, _, top, _ = edges
    rows, cols = slice(top, top + stage.rows), slice(left, left + stage.cols)
    return Prediction(values[..., rows, cols], blurred[..., rows, cols])


def fuse(
    denoiser: Denoiser,
    source: Tensor,
    views: tuple[View, ...],
    stage: Stage,
    step: Step,
    patches: StepPatches = NO_PATCHES,
) -> Generator[NetworkCalled, None, Tensor]:
    """Return the weighted mean of the views' predictions at every cell (passes, C, rows, cols).

    source: the canvas from which the views are cut (1, C, rows, cols).
    """
    count = denoiser.guidance_passes + (patches.mild is not None)
    total = source.new_zeros((count, *source.shape[1:]))
    weights = source.new_zeros(source.shape[-2:])
    arrays = {id(view.weight): view.weight for view in views if view.weight is not None}
    on_device = {key: torch.as_tensor(weight, device=source.device) for key, weight in arrays.items()}
    first = 0
    while first < len(views):
        batch, predictions = yield from denoiser.evaluate(source, views[first:], stage, step, patches)
        for view, prediction in zip(batch, predictions, strict=True):
            weight = on_device.get(id(view.weight), 1.0)
            total[..., view.rows, view.cols] += weight * prediction
            weights[view.rows, view.cols] += weight
        first += len(batch)
    return total / weights


@lru_cache(maxsize=64)
def _gaussian_kernel(deviation: float, size: int) -> Tensor:
    """Return a Gaussian of `size` cells, with this standard deviation in cells and the sum 1."""
    x = torch.arange(size, dtype=torch.float32) - size // 2
    bell = torch.exp(-0.5 * (x / deviation) ** 2)
    return bell / bell.sum()


def blur(canvas: Tensor, deviation: float, size: int, *, reflect: bool) -> Tensor:
    """Return the canvas after a Gaussian blur, rescaled to its former mean and standard deviation.

    deviation: the standard deviation of the Gaussian in latent cells.
    size: the width of the kernel in latent cells.
    reflect: whether to reflect the canvas at its border; otherwise zeros are beyond the border.
    """
    if deviation == 0 or size == 1:
        return canvas
    half, channels = size // 2, canvas.shape[1]
    bell = _gaussian_kernel(deviation, size).to(canvas.device)
    mode = "reflect" if reflect else "constant"
    padded = pad(canvas, (half, half, half, half), mode=mode)
    rows = conv2d(padded, bell.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    smooth = conv2d(rows, bell.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return with_tone(smooth, canvas.mean(), canvas.std())

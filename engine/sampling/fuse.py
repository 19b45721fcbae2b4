"""An answer of the network for the whole canvas, fused from the answers for its views.

Generators yield None after each call of the network, so that whoever iterates can look around.
"""

from collections.abc import Generator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from engine.formulas.schedule import Step
from engine.planning import views
from engine.planning.patches import STRAIGHT, Bends
from engine.planning.stage import Stage
from engine.planning.views import Offset, View
from engine.sampling.denoiser import Denoiser
from engine.sampling.tone import toned


class Fused(NamedTuple):
    """The network's raw predictions for the canvas, [unconditional, conditional], and what it saw of it; a
    third one is unconditional again, of a network that is bent more gently.

    seen: where only windows look, the canvas; the lattices read it blurred, so it is (1 - c2) z + c2 g.
    """

    predictions: Tensor
    seen: Tensor


Fusing = Generator[None, None, Fused]


def field(denoiser: Denoiser, shown: Tensor, stage: Stage, step: Step, offset: Offset) -> Fusing:
    """(1 - c2) windows + c2 lattices; a window may be the whole."""
    share = step.lattices
    if share == 0:
        return (yield from local(denoiser, shown, stage, step, offset))
    if share == 1:
        return (yield from dilated(denoiser, shown, stage, step))
    near = yield from local(denoiser, shown, stage, step, offset)
    far = yield from dilated(denoiser, shown, stage, step)
    # The lattices, of native size, are seen by the network as it is: theirs is the gentler answer, too.
    third = far.predictions[: len(near.predictions) - len(far.predictions)]
    far = far._replace(predictions=torch.cat([far.predictions, third]))
    return Fused(*((1 - share) * n + share * f for n, f in zip(near, far, strict=True)))


def local(denoiser: Denoiser, shown: Tensor, stage: Stage, step: Step, offset: Offset) -> Fusing:
    bends = stage.bends[step.index]
    if stage.looks_whole:
        return Fused((yield from fuse(denoiser, shown, views.whole(stage), stage, step, bends)), shown)
    m = stage.margin
    source = pad(shown, (m, m, m, m)) if m else shown
    predictions = yield from fuse(denoiser, source, views.windows(stage, offset), stage, step, bends)
    return Fused(predictions[..., m : m + stage.rows, m : m + stage.cols], shown)


def dilated(denoiser: Denoiser, shown: Tensor, stage: Stage, step: Step) -> Fusing:
    edges = views.lattice_pad(stage)
    source = pad(shown, edges, mode="constant" if stage.faithful else "reflect") if any(edges) else shown
    smooth = blur(source, step.blur, stage.kernel, reflect=not stage.faithful)
    predictions = yield from fuse(denoiser, smooth, views.lattice(stage), stage, step)
    left, _, top, _ = edges
    rows, cols = slice(top, top + stage.rows), slice(left, left + stage.cols)
    return Fused(predictions[..., rows, cols], smooth[..., rows, cols])


def fuse(
    denoiser: Denoiser,
    source: Tensor,
    views: tuple[View, ...],
    stage: Stage,
    step: Step,
    bends: Bends = STRAIGHT,
) -> Generator[None, None, Tensor]:
    """The weighted mean of what the views answer, at every cell of the source."""
    answers = denoiser.copies + (bends.mild is not None)
    total = source.new_zeros((answers, *source.shape[1:]))
    weights = source.new_zeros(source.shape[-2:])
    shared = {id(view.weight): view.weight for view in views if view.weight is not None}
    placed = {key: torch.as_tensor(weight, device=source.device) for key, weight in shared.items()}
    for batch, answers in denoiser.evaluate(source, views, stage, step, bends):
        for view, answer in zip(batch, answers, strict=True):
            weight = placed.get(id(view.weight), 1.0)
            total[..., view.rows, view.cols] += weight * answer
            weights[view.rows, view.cols] += weight
        yield
    return total / weights


@lru_cache(maxsize=64)
def _gaussian(deviation: float, size: int) -> Tensor:
    x = torch.arange(size, dtype=torch.float32) - size // 2
    bell = torch.exp(-0.5 * (x / deviation) ** 2)
    return bell / bell.sum()


def blur(canvas: Tensor, deviation: float, size: int, *, reflect: bool) -> Tensor:
    """A Gaussian over `size` cells, after which mean and deviation are the canvas's again."""
    if deviation == 0 or size == 1:
        return canvas
    half, channels = size // 2, canvas.shape[1]
    bell = _gaussian(deviation, size).to(canvas.device)
    mode = "reflect" if reflect else "constant"
    padded = pad(canvas, (half, half, half, half), mode=mode)
    rows = conv2d(padded, bell.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    smooth = conv2d(rows, bell.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return toned(smooth, canvas.mean(), canvas.std())

"""What a VAE's group norms and attention would know of the whole picture, lent to them while they see a tile.

Both look at all places at once, so that a tile by itself comes out in a tone of its own, and borders show.
Patches from all over the picture are looked at first. Their means and variances then norm every tile, and a
sample of their tokens stands for what a tile's attention does not see. The VAE itself is left as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise, product
from math import ceil, log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

PATCHES = (16, 14, 12, 10)
"""Sides in cells; of two that cover an axis alike, the first."""
WINDOW = 2
"""Cells. In maps half as fine as the picture, every other window is enough, as on a chequerboard: it tells
the same of a norm's input, for half the work and memory.
"""
AT_ONCE = 2 * 32**2
"""Cells looked at together, at least: fewer are too unlike the whole to be normed by themselves."""
TOKENS = 4096
# Steps through the unit interval by which any stretch of it meets rows and columns from everywhere.
SPREAD = (0.7548776662466927, 0.5698402909980532)
# Attention on CUDA copies a mask whose rows do not end on a multiple of this.
ALIGNED = 16


@dataclass(frozen=True)
class Norm:
    """Means and mean squares (groups) of the input of one group norm, summed over patches."""

    mean: Tensor
    square: Tensor
    patches: int

    @classmethod
    def of(cls, x: Tensor, groups: int) -> "Norm":
        """Patch by patch: half precision has to be widened for its squares."""
        told = [torch.var_mean(patch.float().reshape(groups, -1), 1, correction=0) for patch in x]
        variance, mean = (torch.stack(v).double() for v in zip(*told, strict=True))
        return cls(mean.sum(0), (variance + mean**2).sum(0), len(x))

    def __add__(self, other: "Norm") -> "Norm":
        return Norm(self.mean + other.mean, self.square + other.square, self.patches + other.patches)

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """A group norm of given statistics: a batch norm whose channels share those of their group."""
        mean, square = self.mean / self.patches, self.square / self.patches
        each = x.shape[1] // len(mean)
        mean, variance = (v.float().repeat_interleave(each) for v in (mean, square - mean**2))
        weight, bias = (v if v is None else v.float() for v in (weight, bias))
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)


@dataclass(frozen=True)
class GlobalStatistics:
    """In the order in which a VAE meets them; tokens are keys and values (heads, tokens, width)."""

    size: tuple[int, int]
    norms: list[Norm] = field(default_factory=list)
    tokens: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __add__(self, other: "GlobalStatistics") -> "GlobalStatistics":
        norms = [a + b for a, b in zip(self.norms, other.norms, strict=True)]
        tokens = [
            (torch.cat([k, more_k], 1), torch.cat([v, more_v], 1))
            for (k, v), (more_k, more_v) in zip(self.tokens, other.tokens, strict=True)
        ]
        return GlobalStatistics(self.size, norms, tokens)

    def lent(self, rows: slice, cols: slice) -> TorchFunctionMode:
        """While this is open, a VAE that works on this tile knows of the whole picture."""
        return _Lent(self, borders(rows, cols, self.size))


def borders(rows: slice, cols: slice, size: tuple[int, int]) -> Tensor:
    """Whether a piece ends where the picture does (1, 4): left, right, above, below."""
    ends = (cols.start == 0, cols.stop == size[1], rows.start == 0, rows.stop == size[0])
    return torch.tensor([ends])


class _Piecewise(TorchFunctionMode):
    """Answers some functions of torch for pieces of a picture (N, C, h, w), in the thread that opened it.

    Past its borders a piece goes on as it ends: zeros are past those of the picture only.
    """

    def __init__(self, borders: Tensor) -> None:
        super().__init__()
        self.borders = borders

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = {
            F.group_norm: self.norm,
            F.scaled_dot_product_attention: self.attention,
            F.conv2d: self.convolution,
            F.pad: self.pad,
            F.interpolate: self.interpolation,
        }
        return own.get(func, func)(*args, **kwargs or {})

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, *more: Any
    ) -> Tensor:
        if any(padding):
            x, padding = self.pad(x, (padding[1], padding[1], padding[0], padding[0])), 0
        return self.scaled(F.conv2d(x, weight, bias, stride, padding, *more))

    def pad(self, x: Tensor, pad: tuple[int, ...], *more: Any, **named: Any) -> Tensor:
        x = F.pad(x, pad, mode="replicate")
        left, right, above, below = pad
        height, width = x.shape[-2:]
        ends = (x[..., :left], x[..., width - right :], x[..., :above, :], x[..., height - below :, :])
        for end, zero in zip(ends, self.borders.to(x.device).T, strict=True):
            end.masked_fill_(zero[:, None, None, None], 0)
        return x

    def interpolation(self, x: Tensor, *more: Any, **named: Any) -> Tensor:
        return self.scaled(F.interpolate(x, *more, **named))

    def scaled(self, x: Tensor) -> Tensor:
        """Maps that may have changed their scale."""
        return x


class _Lent(_Piecewise):
    def __init__(self, overview: GlobalStatistics, borders: Tensor) -> None:
        super().__init__(borders)
        self.cells = overview.size[0] * overview.size[1]
        self.norms, self.tokens = iter(overview.norms), iter(overview.tokens)

    def norm(self, x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
        return next(self.norms)(x, weight, bias, eps)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        """A token of the sample counts for as many as it stands for among those outside of the tile."""
        keys, values = next(self.tokens)
        own = key.shape[-2]
        sampled = max(keys.shape[-2] - (keys.shape[-2] + own) % ALIGNED, 1)
        weight = log(max(self.cells - own, 1) / sampled)
        mask = torch.cat([query.new_zeros(own), query.new_full((sampled,), weight)])
        return F.scaled_dot_product_attention(
            query,
            torch.cat([key, keys[None, :, :sampled]], 2),
            torch.cat([value, values[None, :, :sampled]], 2),
            attn_mask=mask.expand(1, 1, query.shape[-2], -1),
        )


class _Looking(_Piecewise):
    """Takes an overview of pieces as if they were the whole, and norms them by it."""

    def __init__(self, overview: GlobalStatistics, borders: Tensor, half: int, window: int, tokens: int) -> None:
        """Maps of height `half` are half as fine as the picture; their windows are of this side."""
        super().__init__(borders)
        self.overview, self.tokens = overview, tokens
        self.half, self.window = half, window

    def norm(self, x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
        self.overview.norms.append(Norm.of(x, groups))
        return self.overview.norms[-1](x, weight, bias, eps)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        patches = len(query)
        query, key, value = (t.transpose(0, 1).flatten(1, 2)[None] for t in (query, key, value))
        step = ceil(key.shape[-2] / self.tokens)
        self.overview.tokens.append((key[0, :, ::step].clone(), value[0, :, ::step].clone()))
        seen = F.scaled_dot_product_attention(query, key, value)
        return seen[0].unflatten(1, (patches, -1)).transpose(0, 1)

    def scaled(self, x: Tensor) -> Tensor:
        """Every other window of maps that have reached half the picture's fineness, once."""
        height, width = x.shape[-2:]
        if height != self.half:
            return x
        self.half = 0
        tall, wide = min(self.window, height), min(self.window, width)
        windows, ends = [], []
        for r, c in product(range(height // tall), range(width // wide)):
            if (r + c) % 2 == 0:
                windows.append(x[..., tall * r : tall * (r + 1), wide * c : wide * (c + 1)])
                end = (c == 0, wide * (c + 1) == width, r == 0, tall * (r + 1) == height)
                ends.append(self.borders & torch.tensor(end))
        self.borders = torch.cat(ends)
        return torch.cat(windows)


def patch_starts(length: int, side: int) -> tuple[list[int], int]:
    """Where patches of at most `side` begin, and how long they are: as little is left out as can be."""
    longest = min(length, side)
    patch = max((n for n in PATCHES if n <= longest), key=lambda n: length // n * n, default=longest)
    count = length // patch
    return [round(k * (length - patch) / max(count - 1, 1)) for k in range(count)], patch


def measure_statistics(
    work: Callable[[Tensor], Any],
    piece: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    cell: int,
    side: int,
) -> GlobalStatistics:
    """An overview of a picture of this size in cells, of which `piece` gives parts and `work` makes more, in
    hardly more memory than a tile of this side takes. It is looked at in shares, each from all over and
    normed by itself; their mean is that of the whole but for errors of second order.
    """
    (tops, tall), (lefts, wide) = (patch_starts(n, side) for n in size)
    places = sorted(
        product(range(len(tops)), range(len(lefts))),
        key=lambda place: sum(n * step for n, step in zip(place, SPREAD, strict=True)) % 1,
    )
    shares = ceil(len(places) * tall * wide / max(2 * side**2, AT_ONCE))
    ends = [round(k * len(places) / shares) for k in range(shares + 1)]

    fine = max(cell // 2, 1)

    def seen(share: list[tuple[int, int]]) -> GlobalStatistics:
        pieces = [(slice(tops[r], tops[r] + tall), slice(lefts[c], lefts[c] + wide)) for r, c in share]
        overview = GlobalStatistics(size)
        ends = torch.cat([borders(*at, size) for at in pieces])
        with _Looking(overview, ends, fine * tall, fine * WINDOW, max(TOKENS // shares, 1)):
            work(torch.cat([piece(*at) for at in pieces]))
        return overview

    return reduce(GlobalStatistics.__add__, (seen(places[begin:end]) for begin, end in pairwise(ends)))

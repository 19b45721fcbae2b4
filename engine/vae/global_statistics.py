"""Statistics of a whole picture that a VAE uses while it processes one tile, so that no tile borders are visible.

The output of group norms and attention depends on the whole input, so a tile processed alone would get other
colours than its neighbours. A first pass therefore runs the VAE on crops from all over the picture. It measures the
mean and variance of each group norm's input, and a sample of each attention's keys and values. While a tile is
processed, group norms use the measured statistics, and attention also attends to the sample. The VAE's modules are
not changed: functions of torch are replaced inside a context.
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

# Possible sides of crops in latent cells. If two sides cover an axis equally well, the first one is used.
CROP_SIDES = (16, 14, 12, 10)
# The side of a block in latent cells. From the first layer at half the picture's resolution on, only every other
# block is processed, as on a chequerboard. The statistics are almost the same for half the work and memory.
BLOCK_SIDE = 2
# The smallest number of latent cells that are measured in one pass. Fewer cells would differ too much from the whole
# picture to be normalized by their own statistics.
MIN_CELLS_PER_PASS = 2 * 32**2
# The largest number of tokens whose keys and values are sampled from each attention.
MAX_TOKENS = 4096
# Steps of the R2 low-discrepancy sequence, by which crops are ordered so that each pass has crops from all over the
# picture.
R2_STEPS = (0.7548776662466927, 0.5698402909980532)
# Attention on CUDA copies its mask unless the number of keys is a multiple of this number.
MASK_ALIGNMENT = 16


@dataclass(frozen=True)
class GroupNormStatistics:
    """The statistics of one group norm's input, summed over crops."""

    # The mean of each group, summed over crops.
    mean: Tensor
    # The mean square of each group, summed over crops.
    mean_square: Tensor
    # The number of crops.
    crops: int

    @classmethod
    def measure(cls, x: Tensor, groups: int) -> "GroupNormStatistics":
        """Return the statistics of a group norm's input (crops, C, h, w), crop by crop in float32.

        Half precision would be too coarse for squares.

        groups: the number of groups of the group norm.
        """
        moments = [torch.var_mean(crop.float().reshape(groups, -1), 1, correction=0) for crop in x]
        variance, mean = (torch.stack(values).double() for values in zip(*moments, strict=True))
        return cls(mean.sum(0), (variance + mean**2).sum(0), len(x))

    def __add__(self, other: "GroupNormStatistics") -> "GroupNormStatistics":
        """Return the statistics over the crops of both."""
        return GroupNormStatistics(
            self.mean + other.mean, self.mean_square + other.mean_square, self.crops + other.crops
        )

    def normalize(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """Return x after a group norm with these statistics, which is computed as a batch norm."""
        mean = self.mean / self.crops
        variance = self.mean_square / self.crops - mean**2
        channels_per_group = x.shape[1] // len(mean)
        mean = mean.float().repeat_interleave(channels_per_group)
        variance = variance.float().repeat_interleave(channels_per_group)
        weight, bias = (value if value is None else value.float() for value in (weight, bias))
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)


@dataclass(frozen=True)
class GlobalStatistics:
    """The statistics of a whole picture for a VAE's group norms and attentions, in the order of their use."""

    # (height, width) of the picture in latent cells.
    size: tuple[int, int]
    # The statistics of each group norm.
    norms: list[GroupNormStatistics] = field(default_factory=list)
    # A sample of the (keys, values) of each attention, each (heads, tokens, width).
    tokens: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __add__(self, other: "GlobalStatistics") -> "GlobalStatistics":
        """Return the statistics over the crops of both."""
        norms = [mine + theirs for mine, theirs in zip(self.norms, other.norms, strict=True)]
        tokens = [
            (torch.cat([keys, more_keys], 1), torch.cat([values, more_values], 1))
            for (keys, values), (more_keys, more_values) in zip(self.tokens, other.tokens, strict=True)
        ]
        return GlobalStatistics(self.size, norms, tokens)

    def use_for_tile(self, rows: slice, cols: slice) -> TorchFunctionMode:
        """Return a context in which the VAE processes one tile with the statistics of the whole picture.

        rows, cols: the tile's latent cells in the picture.
        """
        return _TileMode(self, picture_borders(rows, cols, self.size))


def picture_borders(rows: slice, cols: slice, size: tuple[int, int]) -> Tensor:
    """Return which sides of a piece are borders of the picture: booleans (1, 4) for left, right, top, bottom.

    rows, cols: the piece's latent cells in the picture.
    size: (height, width) of the picture in latent cells.
    """
    sides = (cols.start == 0, cols.stop == size[1], rows.start == 0, rows.stop == size[0])
    return torch.tensor([sides])


class _PieceMode(TorchFunctionMode):
    """Repositions functions of torch in the current thread for pieces (N, C, h, w) that are cut from a picture.

    A piece is padded by repeating its edge, except at the borders of the picture, where it is padded by zeros.
    """

    def __init__(self, borders: Tensor) -> None:
        """Create the mode. borders: (N, 4), which sides of each piece are borders, see `picture_borders`."""
        super().__init__()
        self.borders = borders

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        replacements = {
            F.group_norm: self.group_norm,
            F.scaled_dot_product_attention: self.attention,
            F.conv2d: self.conv2d,
            F.pad: self.pad,
            F.interpolate: self.interpolate,
        }
        return replacements.get(func, func)(*args, **kwargs or {})

    def group_norm(
        self,
        x: Tensor,
        groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Normalize x by statistics of the picture."""
        raise NotImplementedError

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        """Attend to the tokens of the picture."""
        raise NotImplementedError

    def conv2d(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: int | tuple[int, ...] = 1,
        padding: tuple[int, ...] = (0, 0),
        *more: Any,
    ) -> Tensor:
        """Convolve pieces, padded by the method `pad`."""
        if any(padding):
            x, padding = self.pad(x, (padding[1], padding[1], padding[0], padding[0])), (0, 0)
        return self.after_rescaling(F.conv2d(x, weight, bias, stride, padding, *more))

    def pad(self, x: Tensor, pad: tuple[int, ...], *more: Any, **named: Any) -> Tensor:
        """Pad pieces by repeating their edges, and by zeros at the borders of the picture."""
        x = F.pad(x, pad, mode="replicate")
        left, right, top, bottom = pad
        height, width = x.shape[-2:]
        strips = (x[..., :left], x[..., width - right :], x[..., :top, :], x[..., height - bottom :, :])
        for strip, is_border in zip(strips, self.borders.to(x.device).T, strict=True):
            strip.masked_fill_(is_border[:, None, None, None], 0)
        return x

    def interpolate(self, x: Tensor, *more: Any, **named: Any) -> Tensor:
        """Resize pieces."""
        return self.after_rescaling(F.interpolate(x, *more, **named))

    def after_rescaling(self, x: Tensor) -> Tensor:
        """Return a feature map after an operation that may have changed its size; subclasses may drop parts of it."""
        return x


class _TileMode(_PieceMode):
    """Makes a VAE process one tile with the statistics of the whole picture, inside a `with` block."""

    def __init__(self, statistics: GlobalStatistics, borders: Tensor) -> None:
        super().__init__(borders)
        self.cells = statistics.size[0] * statistics.size[1]
        self.norms = iter(statistics.norms)
        self.tokens = iter(statistics.tokens)

    def group_norm(
        self,
        x: Tensor,
        groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Normalize x by the statistics of the whole picture."""
        return next(self.norms).normalize(x, weight, bias, eps)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        """Attend to the tile's own tokens and to the sampled tokens of the whole picture.

        The weight of a sampled token is the number of tokens outside the tile divided by the number of samples.
        """
        keys, values = next(self.tokens)
        own = key.shape[-2]
        sampled = max(keys.shape[-2] - (keys.shape[-2] + own) % MASK_ALIGNMENT, 1)
        log_weight = log(max(self.cells - own, 1) / sampled)
        mask = torch.cat([query.new_zeros(own), query.new_full((sampled,), log_weight)])
        return F.scaled_dot_product_attention(
            query,
            torch.cat([key, keys[None, :, :sampled]], 2),
            torch.cat([value, values[None, :, :sampled]], 2),
            attn_mask=mask.expand(1, 1, query.shape[-2], -1),
        )


class _MeasuringMode(_PieceMode):
    """Measures statistics over all crops together, as if they were one picture, while a VAE processes the crops."""

    def __init__(
        self, statistics: GlobalStatistics, borders: Tensor, half_height: int, block: int, max_tokens: int
    ) -> None:
        """Prepare to fill `statistics`.

        half_height: height of a crop's feature map at half the picture's resolution.
        block: side of a block in px of that feature map; every other block is left out.
        max_tokens: the largest number of tokens that are sampled from each attention.
        """
        super().__init__(borders)
        self.statistics = statistics
        self.half_height = half_height
        self.block = block
        self.max_tokens = max_tokens

    def group_norm(
        self,
        x: Tensor,
        groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Measure x and normalize it by the statistics of all crops together."""
        measured = GroupNormStatistics.measure(x, groups)
        self.statistics.norms.append(measured)
        return measured.normalize(x, weight, bias, eps)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        """Sample keys and values, and let every crop attend to all crops."""
        crops = len(query)
        query, key, value = (t.transpose(0, 1).flatten(1, 2)[None] for t in (query, key, value))
        step = ceil(key.shape[-2] / self.max_tokens)
        self.statistics.tokens.append((key[0, :, ::step].clone(), value[0, :, ::step].clone()))
        attended = F.scaled_dot_product_attention(query, key, value)
        return attended[0].unflatten(1, (crops, -1)).transpose(0, 1)

    def after_rescaling(self, x: Tensor) -> Tensor:
        """Cut the first feature map of half resolution into blocks and keep every other one as a piece."""
        height, width = x.shape[-2:]
        if height != self.half_height:
            return x
        self.half_height = 0  # Only the first time.
        tall, wide = min(self.block, height), min(self.block, width)
        blocks, borders = [], []
        for r, c in product(range(height // tall), range(width // wide)):
            if (r + c) % 2 == 0:
                blocks.append(x[..., tall * r : tall * (r + 1), wide * c : wide * (c + 1)])
                sides_of_crop = (c == 0, wide * (c + 1) == width, r == 0, tall * (r + 1) == height)
                borders.append(self.borders & torch.tensor(sides_of_crop))
        self.borders = torch.cat(borders)
        return torch.cat(blocks)


def crop_starts(length: int, side: int) -> tuple[list[int], int]:
    """Return the starts of crops that cover most of an axis, and the length of a crop.

    length: the length of the axis in latent cells.
    side: the largest length of a crop in latent cells.
    """
    longest = min(length, side)
    crop = max((n for n in CROP_SIDES if n <= longest), key=lambda n: length // n * n, default=longest)
    count = length // crop
    return [round(k * (length - crop) / max(count - 1, 1)) for k in range(count)], crop


def measure_statistics(
    process: Callable[[Tensor], Any],
    cut: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    cell: int,
    side: int,
) -> GlobalStatistics:
    """Measure and return the statistics of a whole picture, in about as much memory as one tile takes.

    process: the VAE's decoder or encoder.
    cut: returns the input of `process` at the given rows and columns, in latent cells.
    size: (height, width) of the picture in latent cells.
    cell: the side of a latent cell in px.
    side: the side of a tile in latent cells.

    The crops are divided among several passes. Each pass has crops from all over the picture and is normalized by its
    own statistics. The mean over passes differs from the statistics of the whole picture only to second order.
    """
    (tops, tall), (lefts, wide) = (crop_starts(length, side) for length in size)
    # Neighbours in this order lie far apart in the picture.
    positions = sorted(
        product(range(len(tops)), range(len(lefts))),
        key=lambda position: sum(n * step for n, step in zip(position, R2_STEPS, strict=True)) % 1,
    )
    passes = ceil(len(positions) * tall * wide / max(2 * side**2, MIN_CELLS_PER_PASS))
    half_resolution = max(cell // 2, 1)

    def measure(positions_of_pass: list[tuple[int, int]]) -> GlobalStatistics:
        """Return the statistics of one pass over the crops at these (row, column) positions of the grid."""
        crops = [
            (slice(tops[r], tops[r] + tall), slice(lefts[c], lefts[c] + wide)) for r, c in positions_of_pass
        ]
        statistics = GlobalStatistics(size)
        borders = torch.cat([picture_borders(rows, cols, size) for rows, cols in crops])
        with _MeasuringMode(
            statistics,
            borders,
            half_height=half_resolution * tall,
            block=half_resolution * BLOCK_SIDE,
            max_tokens=max(MAX_TOKENS // passes, 1),
        ):
            process(torch.cat([cut(rows, cols) for rows, cols in crops]))
        return statistics

    bounds = [round(k * len(positions) / passes) for k in range(passes + 1)]
    return reduce(
        GlobalStatistics.__add__, (measure(positions[begin:end]) for begin, end in pairwise(bounds))
    )

"""Attention to itself that looks at quarters (Zhang et al. 2023, HiDiffusion: MSW-MSA), or is sharpened (Jin
et al. 2023)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from engine.network.patching.hooks import hooked, part
from engine.planning.patches import ScaledAttention, WindowedAttention


class Quarters(NamedTuple):
    """How tokens of a map of rows x cols lie in its quarters, after it was rolled by `shift` quarters of a
    quarter's side on both axes. A map of odd sides repeats its last row or column."""

    rows: int
    cols: int
    shift: int

    @property
    def sides(self) -> tuple[int, int]:
        """Of a quarter."""
        return (self.rows + 1) // 2, (self.cols + 1) // 2

    @property
    def roll(self) -> tuple[int, int]:
        return tuple(side * self.shift // 4 for side in self.sides)

    def cut(self, tokens: Tensor) -> Tensor:
        """(N, rows * cols, C) as (4 N, tokens of a quarter, C)."""
        (high, wide), (down, across) = self.sides, self.roll
        map_ = tokens.unflatten(1, (self.rows, self.cols)).movedim(-1, 1)
        map_ = pad(map_, (0, 2 * wide - self.cols, 0, 2 * high - self.rows), mode="replicate")
        map_ = torch.roll(map_, (-down, -across), (-2, -1))
        quarters = map_.unflatten(-1, (2, wide)).unflatten(-3, (2, high))  # N, C, 2, high, 2, wide
        return quarters.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)

    def join(self, quarters: Tensor) -> Tensor:
        """What `cut` took apart."""
        (high, wide), (down, across) = self.sides, self.roll
        map_ = quarters.unflatten(0, (-1, 2, 2)).unflatten(3, (high, wide))  # N, 2, 2, high, wide, C
        map_ = map_.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        map_ = torch.roll(map_, (down, across), (-2, -1))[..., : self.rows, : self.cols]
        return map_.flatten(2).transpose(1, 2)


@contextmanager
def quartered(network: nn.Module, bend: WindowedAttention) -> Iterator[None]:
    """The attention of these parts to themselves, each by quarters of its own."""
    with ExitStack() as undo:
        count = 0
        for name in bend.parts:
            whole = part(network, name)
            for block in [] if whole is None else whole.transformer_blocks:
                undo.enter_context(_by_quarters(whole, block.attn1, bend.shift(count)))
                count += 1
        yield


@contextmanager
def _by_quarters(whole: nn.Module, attention: nn.Module, shift: int) -> Iterator[None]:
    lying: list[Quarters] = []

    def seen(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        shown = given[0] if given else named["hidden_states"]
        lying[:] = [Quarters(*shown.shape[-2:], shift)]

    def before(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return (lying[0].cut(given[0]), *given[1:]), named

    def after(module: nn.Module, given: tuple[Any, ...], made: Tensor) -> Tensor:
        return lying[0].join(made)

    with hooked(
        whole.register_forward_pre_hook(seen, with_kwargs=True),
        attention.register_forward_pre_hook(before, with_kwargs=True),
        attention.register_forward_hook(after),
    ):
        yield


@contextmanager
def tempered(network: nn.Module, bend: ScaledAttention) -> Iterator[None]:
    """Queries times sqrt(log N / log n): N tokens here, n natively."""

    def sharpened(module: nn.Module, given: tuple[Any, ...], queries: Tensor) -> Tensor:
        count = queries.shape[1]
        return queries * (log(count) / log(max(2.0, count / bend.area))) ** 0.5

    own = [module.attn1.to_q for module in network.modules() if _attends_to_itself(module)]
    with hooked(*(to_q.register_forward_hook(sharpened) for to_q in own)):
        yield


def _attends_to_itself(module: nn.Module) -> bool:
    return hasattr(module, "attn1") and hasattr(module.attn1, "to_q")

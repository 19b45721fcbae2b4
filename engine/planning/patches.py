"""How a network is bent at a step, and what an evaluation then takes: plain values, no torch. surgery/
carries it out.

A network that is shown more than its native size is bent in one of a few ways: its convolutions reach
further, its inner levels see a smaller map, its largest attention looks at quarters, or is sharpened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from engine.formulas.noise import quarters
from engine.planning.sizes import SLACK, Size

Level = tuple[float, float]
"""Shares of a native evaluation that one level of the network takes: in proportion to the area, and (its
attention) to the square of it. The first level is the outermost."""

CORE = 3 / 5
"""Of a level's work, what lies between the first attention on the way down and the second on the way up."""


@dataclass(frozen=True)
class Dilated:
    """The 3x3 convolutions of these parts reach further, by their factors; a later part overrides an earlier.

    dispersed: by kernels of 5x5 at half the spacing.
    """

    parts: tuple[tuple[str, float], ...]
    dispersed: bool = False


@dataclass(frozen=True)
class Strided:
    """What lies between two samplers sees a map of half its usual side: the first goes by four in place of
    two, and the second takes it back."""

    down: str
    up: str
    level: int


@dataclass(frozen=True)
class Pooled:
    """What lies between two attentions sees a map of half its side."""

    down: str
    up: str
    level: int


@dataclass(frozen=True)
class Quartered:
    """The attention of these parts, to themselves, looks at a quarter of the map at a time. Where quarters
    begin is drawn anew for each: key is that of the draw."""

    parts: tuple[str, ...]
    level: int
    key: tuple[int | str, ...] = ()

    def shift(self, k: int) -> int:
        """By how many quarters of a quarter's side the map of the k-th attention is rolled: 0 to 3."""
        return quarters(*self.key, k)


@dataclass(frozen=True)
class Tempered:
    """All attention to itself is sharpened, as there is so many times as much to look at."""

    area: float


Bend = Dilated | Strided | Pooled | Quartered | Tempered


class Bends(NamedTuple):
    """One step's. mild: of a second, unconditional answer, gentler bent, which guidance then starts from."""

    strong: tuple[Bend, ...] = ()
    mild: tuple[Bend, ...] | None = None


STRAIGHT = Bends()


class Look(NamedTuple):
    """What a bend depends on: the sides of a view and of a native one, in cells; the network's body; the step
    of how many; the key of the step's draws."""

    rows: int
    cols: int
    window: int
    body: str
    index: int
    steps: int
    key: tuple[int | str, ...] = ()

    @property
    def area(self) -> float:
        """Over the native one."""
        return self.rows * self.cols / self.window**2

    @property
    def ratio(self) -> float:
        return sqrt(self.area)

    @property
    def sides(self) -> Size:
        return self.rows, self.cols


def is_beyond(rows: int, cols: int, window: int) -> bool:
    """Whether a view is so much larger than native that the network does not stand it as it is."""
    return rows * cols > (SLACK * window) ** 2


def attention(look: Look, options: Mapping[str, object]) -> Bends:
    """The entropy of attention is kept (Jin et al. 2023)."""
    return Bends((Tempered(look.area),))


Bending = Callable[[Look, Mapping[str, object]], Bends]


def work(levels: tuple[Level, ...], area: float, bends: tuple[Bend, ...] = ()) -> float:
    """Tile areas of one evaluation of a view of this area, over the native one.

    Attention grows with the square of the area; what is told of a view of about native size is its area.
    """
    if area <= SLACK**2:
        return area
    total, inner = 0.0, area
    for k, (linear, square) in enumerate(levels):
        quartered = any(isinstance(bend, Quartered) and bend.level == k for bend in bends)
        square = square / 4 if quartered else square
        pooled = any(isinstance(bend, Pooled) and bend.level == k for bend in bends)
        core = CORE if pooled else 0.0
        total += (1 - core) * (linear * inner + square * inner**2)
        if pooled:
            inner /= 4
            total += core * (linear * inner + square * inner**2)
        if any(isinstance(bend, Strided) and bend.level == k for bend in bends):
            inner /= 4
    return total


def whole_steps(share: float, steps: int) -> int:
    """How many of the steps a share of them is."""
    return ceil(share * steps - 1e-9)

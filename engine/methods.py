"""Every method is a row: which stages, how one starts from the one below, what it looks at.

The loop reads the cells and never a name. An ablation is a row with one cell changed.
"""

from dataclasses import dataclass, replace
from typing import Protocol


class Flags(Protocol):
    method: str
    progressive: bool
    skip_residual: bool
    dilated: bool


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row.

    rises: a base at native size, then every scale; otherwise only the first and the last.
    pulls: a stage is pulled to the noised enlargement of the one below (the skip residual, c1).
    lattices: dilated views take part, blended by c2; otherwise local windows alone.
    reads: the settings of its own, beyond those that every method uses.
    """

    rises: bool = True
    pulls: bool = True
    lattices: bool = True
    reads: frozenset[str] = frozenset()


DEMOFUSION = Method(
    reads=frozenset(
        "alpha1 alpha2 alpha3 sigma1 sigma2 stride progressive skip_residual dilated jitter feather "
        "kernel lattice economy enlarge faithful scales".split()
    )
)

METHODS = {"demofusion": DEMOFUSION}


def method_of(recipe: Flags) -> Method:
    """The recipe's row with its ablations applied."""
    row = METHODS[recipe.method]
    return replace(
        row,
        rises=row.rises and recipe.progressive,
        pulls=row.pulls and recipe.skip_residual,
        lattices=row.lattices and recipe.dilated,
    )

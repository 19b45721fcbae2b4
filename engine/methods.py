"""Every method is a row: which stages, how one starts from the one below, what it looks at.

The loop reads the cells and never a name. An ablation is a row with one cell changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row.

    rises: a base at native size, then every scale; otherwise only the first and the last.
    pulls: a stage is pulled to the noised enlargement of the one below (the skip residual, c1).
    lattices: dilated views take part, blended by c2; otherwise local windows alone.
    reads: the settings that not every method uses.
    """

    rises: bool = True
    pulls: bool = True
    lattices: bool = True
    reads: frozenset[str] = frozenset()


OF_THE_PULL = frozenset({"alpha1"})
OF_THE_LATTICES = frozenset({"alpha2", "alpha3", "sigma1", "sigma2", "kernel", "lattice"})
OF_THE_WINDOWS = frozenset({"stride", "jitter", "feather"})
ABLATIONS = frozenset({"progressive", "skip_residual", "dilated"})
# What faithful mode sets itself.
PUBLISHED = frozenset({"economy", "kernel", "lattice", "feather"})
OF_THE_GUIDANCE = frozenset({"negative", "guidance_rescale"})
OF_A_START_PICTURE = frozenset({"fidelity"})

METHODS = {
    "demofusion": Method(
        reads=OF_THE_PULL | OF_THE_LATTICES | OF_THE_WINDOWS | ABLATIONS | {"economy", "enlarge", "faithful"}
    )
}


def method_of(recipe: Recipe) -> Method:
    """The recipe's row with its ablations applied."""
    row = METHODS[recipe.method]
    return replace(
        row,
        rises=row.rises and recipe.progressive,
        pulls=row.pulls and recipe.skip_residual,
        lattices=row.lattices and recipe.dilated,
    )


def silent(recipe: Recipe) -> tuple[str, ...]:
    """Settings that have no effect beside the recipe's others."""
    row = method_of(recipe)
    names = {name for method in METHODS.values() for name in method.reads} - row.reads
    if not row.pulls:
        names |= OF_THE_PULL
    if not row.lattices:
        names |= OF_THE_LATTICES
    if recipe.faithful:
        names |= PUBLISHED
    if recipe.guidance is not None and recipe.guidance <= 1:
        names |= OF_THE_GUIDANCE
    if recipe.image is None or not row.pulls:
        names |= OF_A_START_PICTURE
    elif recipe.fidelity in (0, 1):
        names |= OF_THE_PULL
    return tuple(sorted(names))

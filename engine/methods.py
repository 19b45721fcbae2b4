"""Every method is a row: which stages, how one starts from the one below, what it looks at, and how the
network is bent meanwhile.

The loop reads the cells and never a name. An ablation is a row with one cell changed, a combination one with
two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.recipe.options import options_of

if TYPE_CHECKING:
    from engine.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row.

    grows: from a base at native size; otherwise there is one stage, the final one.
    rises: through every scale; otherwise only the first and the last.
    pulls: a stage is pulled to the noised enlargement of the one below (the skip residual, c1).
    restarts: a stage begins from that enlargement at a middle step.
    lattices: dilated views take part, blended by c2; otherwise local views alone.
    views: what a local view is: a native window, a large one, or the whole canvas.
    placed: views are told where they lie; otherwise that they are the final picture.
    shakes: windows may.
    network: how it is bent where a local view is larger than native; a name in bending.BENDS.
    reads: the settings and options that not every method uses.
    """

    grows: bool = True
    rises: bool = True
    pulls: bool = False
    restarts: bool = False
    lattices: bool = False
    views: str = "whole"
    placed: bool = True
    shakes: bool = True
    network: str = ""
    reads: frozenset[str] = frozenset()

    @property
    def starts_from_picture(self) -> bool:
        return self.pulls or self.restarts


OF_THE_PULL = frozenset({"alpha1"})
OF_THE_LATTICES = frozenset({"alpha2", "alpha3", "sigma1", "sigma2", "kernel", "lattice"})
OF_THE_WINDOWS = frozenset({"stride", "jitter", "feather"})
ABLATIONS = frozenset({"progressive", "skip_residual", "dilated"})
OF_COMBINATIONS = frozenset({"views", "network"})
# What faithful mode sets itself.
PUBLISHED = frozenset({"economy", "kernel", "lattice", "feather"})
OF_THE_GUIDANCE = frozenset({"negative", "guidance_rescale"})
OF_A_START_PICTURE = frozenset({"image", "fidelity"})
# By the network that is bent.
OF_NETWORKS = {
    "": frozenset(),
    "attention": frozenset(),
    "scalecrafter": frozenset({"bent_until", "dispersed", "damped"}),
    "hidiffusion": frozenset({"bent_until", "windowed"}),
}
OF_ANY_NETWORK = frozenset().union(*OF_NETWORKS.values())
GROWING = frozenset({"progressive", "enlarge"})

METHODS = {
    "demofusion": Method(
        pulls=True,
        lattices=True,
        views="windows",
        reads=OF_THE_PULL
        | OF_THE_LATTICES
        | OF_THE_WINDOWS
        | ABLATIONS
        | OF_COMBINATIONS
        | OF_ANY_NETWORK
        | OF_A_START_PICTURE
        | GROWING
        | {"economy", "faithful"},
    ),
    "direct": Method(grows=False, placed=False),
    "attention": Method(grows=False, placed=False, network="attention"),
    "multidiffusion": Method(
        grows=False,
        views="windows",
        placed=False,
        shakes=False,
        reads=frozenset({"stride", "feather", "placed"}) | OF_COMBINATIONS | OF_ANY_NETWORK,
    ),
    "sdedit": Method(
        restarts=True,
        reads=frozenset({"restart", "image"}) | OF_THE_WINDOWS | OF_COMBINATIONS | OF_ANY_NETWORK | GROWING,
    ),
    "scalecrafter": Method(
        grows=False, placed=False, network="scalecrafter", reads=OF_NETWORKS["scalecrafter"]
    ),
    "hidiffusion": Method(grows=False, placed=False, network="hidiffusion", reads=OF_NETWORKS["hidiffusion"]),
}


def is_faithful(recipe: Recipe) -> bool:
    """Whether the published code is repeated to the number; there is one for some methods only."""
    return recipe.faithful is True and "faithful" in METHODS[recipe.method].reads


def method_of(recipe: Recipe) -> Method:
    """The recipe's row with its ablations and combinations applied."""
    row, options = METHODS[recipe.method], options_of(recipe.options)
    free = row.reads - OF_COMBINATIONS if is_faithful(recipe) else row.reads
    return replace(
        row,
        rises=row.rises and recipe.progressive,
        pulls=row.pulls and recipe.skip_residual,
        lattices=row.lattices and recipe.dilated,
        views=(options.views if "views" in free else "") or row.views,
        network=(options.network if "network" in free else "") or row.network,
        placed=row.placed or ("placed" in free and options.placed),
    )


def silent(recipe: Recipe) -> tuple[str, ...]:
    """Settings and options that have no effect beside the recipe's others."""
    row = method_of(recipe)
    names = {name for method in METHODS.values() for name in method.reads} - row.reads
    names |= OF_ANY_NETWORK - OF_NETWORKS[row.network]
    if row.views == "whole":
        names |= OF_THE_WINDOWS | {"placed"}
    if not row.pulls:
        names |= OF_THE_PULL
    if not row.lattices:
        names |= OF_THE_LATTICES
    if is_faithful(recipe):
        names |= PUBLISHED | OF_COMBINATIONS
    if recipe.guidance is not None and recipe.guidance <= 1:
        names |= OF_THE_GUIDANCE | {"damped"}
    if recipe.image is None or not row.pulls:
        names.add("fidelity")
    elif recipe.fidelity in (0, 1):
        names |= OF_THE_PULL
    return tuple(sorted(names))

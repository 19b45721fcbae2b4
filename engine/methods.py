"""The table of methods: which stages a method has, how a stage starts, what the network sees, and how the
network is patched.

The loop reads the cells of a row and never its name. An ablation is a row with one cell changed. This module
imports nothing of the engine; engine/recipe/effects.py applies a recipe's settings to a row.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table."""

    # Starts with a base at native size; otherwise there is one stage, the final one.
    has_base: bool = True
    # Passes through every scale; otherwise through the first and the last.
    progressive: bool = True
    # Each stage is pulled to the noised enlargement of the stage below (skip residual, c1).
    skip_residual: bool = False
    # Each stage renoises the enlargement of the stage below to a middle step and denoises from there.
    restarts: bool = False
    # Dilated views take part, blended by c2; otherwise local views alone.
    dilated: bool = False
    # What a local view is: "windows" of native size, "large" windows of twice its side, or the "whole" canvas.
    views: str = "whole"
    # SDXL's size ids of a view say where it lies; otherwise they are those of the final picture.
    true_size_ids: bool = True
    # The setting `jitter` shifts windows.
    jitters: bool = True
    # The patch of the network for local views larger than native: a key of planning.patch_schedule.
    network: str = ""
    # The settings and options that this method reads, among those that not every method reads.
    reads: frozenset[str] = frozenset()

    @property
    def takes_start_image(self) -> bool:
        return self.skip_residual or self.restarts


SKIP_RESIDUAL_SETTINGS = frozenset({"alpha1"})
DILATED_SETTINGS = frozenset({"alpha2", "alpha3", "sigma1", "sigma2", "kernel", "lattice"})
WINDOW_SETTINGS = frozenset({"stride", "jitter", "feather"})
ABLATIONS = frozenset({"progressive", "skip_residual", "dilated"})
COMBINATIONS = frozenset({"views", "network"})
# What faithful mode sets itself.
FAITHFUL_SETTINGS = frozenset({"economy", "kernel", "lattice", "feather"})
GUIDANCE_SETTINGS = frozenset({"negative", "guidance_rescale"})
START_IMAGE_SETTINGS = frozenset({"image", "fidelity"})
# The options that each patch of the network reads.
NETWORK_OPTIONS = {
    "": frozenset(),
    "attention": frozenset(),
    "scalecrafter": frozenset({"bent_until", "dispersed", "damped"}),
    "hidiffusion": frozenset({"bent_until", "windowed"}),
}
ALL_NETWORK_OPTIONS = frozenset().union(*NETWORK_OPTIONS.values())
STAGE_SETTINGS = frozenset({"progressive", "enlarge"})

METHODS = {
    "demofusion": Method(
        skip_residual=True,
        dilated=True,
        views="windows",
        reads=SKIP_RESIDUAL_SETTINGS
        | DILATED_SETTINGS
        | WINDOW_SETTINGS
        | ABLATIONS
        | COMBINATIONS
        | ALL_NETWORK_OPTIONS
        | START_IMAGE_SETTINGS
        | STAGE_SETTINGS
        | {"economy", "faithful"},
    ),
    "direct": Method(has_base=False, true_size_ids=False),
    "attention": Method(has_base=False, true_size_ids=False, network="attention"),
    "multidiffusion": Method(
        has_base=False,
        views="windows",
        true_size_ids=False,
        jitters=False,
        reads=frozenset({"stride", "feather", "placed"}) | COMBINATIONS | ALL_NETWORK_OPTIONS,
    ),
    "sdedit": Method(
        restarts=True,
        reads=frozenset({"restart", "image"})
        | WINDOW_SETTINGS
        | COMBINATIONS
        | ALL_NETWORK_OPTIONS
        | STAGE_SETTINGS,
    ),
    "scalecrafter": Method(
        has_base=False, true_size_ids=False, network="scalecrafter", reads=NETWORK_OPTIONS["scalecrafter"]
    ),
    "hidiffusion": Method(
        has_base=False, true_size_ids=False, network="hidiffusion", reads=NETWORK_OPTIONS["hidiffusion"]
    ),
}

"""Choose the patches of the network for every denoising step of a stage. No torch."""

from collections.abc import Mapping
from typing import Any

from engine.catalogue.entries import Facts
from engine.planning.hidiffusion import hidiffusion
from engine.planning.patches import (
    NO_PATCHES,
    PatchContext,
    PatchFunction,
    StepPatches,
    exceeds_native,
    scaled_attention,
)
from engine.planning.scalecrafter import scalecrafter
from engine.planning.sizes import Size

# The patch functions by the value of Method.network.
PATCH_FUNCTIONS: dict[str, PatchFunction] = {
    "attention": scaled_attention,
    "scalecrafter": scalecrafter,
    "hidiffusion": hidiffusion,
}


def patches_for_stage(
    network: str,
    options: Mapping[str, Any],
    window: Size,
    facts: Facts,
    steps: int,
    key: tuple[int | str, ...],
    *,
    guided: bool,
) -> tuple[StepPatches, ...]:
    """Return the patches for local views at each denoising step of a stage; none for views of about native size.

    network: a key of PATCH_FUNCTIONS, or "" for no patches.
    options: the recipe's options by name.
    window: the (rows, columns) of a local view in latent cells.
    steps: the number of steps.
    key: the first part of the key of every random draw; the second part is the step's number.
    guided: whether classifier-free guidance is on.
    """
    rows, cols = window
    if not network or not exceeds_native(rows, cols, facts.window):
        return (NO_PATCHES,) * steps
    patches = []
    for index in range(steps):
        context = PatchContext(rows, cols, facts.window, facts.architecture, index, steps, (*key, index))
        chosen = PATCH_FUNCTIONS[network](context, options)
        # Without guidance there is no unconditional prediction to damp.
        patches.append(chosen if guided else chosen._replace(mild=None))
    return tuple(patches)

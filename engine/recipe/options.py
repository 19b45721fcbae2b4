"""Options: the settings that only some methods read. No torch.

Recipe.options contains only the options that differ from their defaults, as sorted (name, value) pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from engine.recipe.fields import Setting, collect_settings, setting

# The kinds of local views: "" for the method's own kind, windows of native size, "large" windows of twice the
# native side, or the whole canvas.
VIEWS = ("", "windows", "large", "whole")
# The patches of the network for views above native size; "" for the method's own patch.
NETWORKS = ("", "attention", "scalecrafter", "hidiffusion")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a recipe. An option that is "" or 0 takes the method's own value."""

    restart: float = setting(
        0.6,
        "number",
        "Draw anew from",
        "How noisy the enlargement becomes before it is drawn again. Low: only finer. "
        "High: freer, may repeat.",
        0.1,
        1,
        0.05,
    )
    block: float = setting(
        0.5,
        "number",
        "Block noise",
        "How much of the noise comes in blocks, each as large as a pixel of the smaller picture. Low: keeps to it. "
        "High: changes large shapes, may repeat.",
        0,
        1,
        0.05,
    )
    unblur: float = setting(
        1.0,
        "number",
        "Undo a blur",
        "How blurred a stage starts; its steps undo the blur. High: nearer the smaller picture, edges may show blocks. "
        "0: no blur, and any scheduler works.",
        0,
        1,
        0.05,
    )
    views: str = setting(
        "",
        "choice",
        "Looks at",
        "How much of the picture is drawn at once: windows of the native size, windows of twice its side, or "
        "the whole picture.",
        choices=VIEWS,
    )
    network: str = setting(
        "",
        "choice",
        "Network",
        "Bent so that it stands sizes that it was not trained on, where it looks at more than its own.",
        choices=NETWORKS,
    )
    placed: bool = setting(
        False, "flag", "Windows know their place", "Off, as published: each is told that it is the whole."
    )
    bent_until: float = setting(
        0.0,
        "number",
        "Bent until",
        "The share of the steps in which the network is bent. Longer: fewer repeats, less detail. "
        "0: as published.",
        0,
        1,
        0.05,
    )
    dispersed: bool = setting(
        False,
        "flag",
        "Dispersed kernels",
        "Wider kernels in place of more widely spaced ones: smoother. Off, as published.",
    )
    damped: bool = setting(
        True,
        "flag",
        "Damp the noise",
        "From 2.8 times the native side on a gentler network gives the detail.",
    )
    windowed: bool = setting(
        True, "flag", "Attention by quarters", "The largest attention looks at a quarter at a time: faster."
    )


# The Setting of each option, by name.
OPTIONS: dict[str, Setting] = collect_settings(Options)
# The options in which every option has its default.
OPTION_DEFAULTS = Options()


def options_from_pairs(pairs: Iterable[tuple[str, Any]]) -> Options:
    """Return the options with the values in (name, value) pairs, and with defaults for all other options."""
    return Options(**dict(pairs))


def changed_options(options: Options) -> tuple[tuple[str, Any], ...]:
    """Return the options that differ from their defaults, as sorted (name, value) pairs for Recipe.options."""
    pairs = ((f.name, getattr(options, f.name)) for f in fields(Options))
    return tuple(sorted((name, value) for name, value in pairs if value != getattr(OPTION_DEFAULTS, name)))

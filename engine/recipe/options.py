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
        0.0,
        "number",
        "Redraw strength",
        "How much noise the enlarged picture gets. Lower: only finer, faster. Higher: freer. "
        "0: the method's own (DemoFusion 1, others 0.6).",
        0,
        1,
        0.05,
    )
    restart_stages: tuple[float, ...] = setting(
        (),
        "numbers",
        "Redraw strength by stage",
        "One value per stage instead of one for all, like 1, 0.8, 0.6. The last one is used for all further stages.",
        0,
        1,
    )
    block: float = setting(
        0.5,
        "number",
        "Block noise",
        "The share of the noise in blocks, each as large as a latent cell of the smaller picture. Lower: closer to it. "
        "Higher: freer, may repeat the subject.",
        0,
        1,
        0.05,
    )
    unblur: float = setting(
        1.0,
        "number",
        "Blur at the start",
        "How blurred a stage starts. Higher: closer to the smaller picture, edges may show blocks. 0: no blur.",
        0,
        1,
        0.05,
    )
    views: str = setting(
        "",
        "choice",
        "Views",
        "How much of the picture the network sees at once. Larger: fewer repeats, more memory.",
        choices=VIEWS,
    )
    network: str = setting(
        "",
        "choice",
        "Network adaptation",
        "Adapts the network to views that are larger than the size that it was trained on.",
        choices=NETWORKS,
    )
    placed: bool = setting(
        False,
        "flag",
        "Position of the windows (SDXL)",
        "Gives the network the position of each window. Off, as published: each counts as the whole picture.",
    )
    bent_until: float = setting(
        0.0,
        "number",
        "Adapt the network until",
        "The share of the steps in which the network is adapted. Larger: fewer repeats, less detail. "
        "0: as published.",
        0,
        1,
        0.05,
    )
    dispersed: bool = setting(
        False,
        "flag",
        "Dispersed kernels",
        "Larger convolution kernels instead of more strongly dilated ones: smoother. Off: as published.",
    )
    damped: bool = setting(
        True,
        "flag",
        "Noise-damped guidance",
        "From 2.8 times the native side on, a third, less dilated prediction adds detail. Slower.",
    )
    windowed: bool = setting(
        True,
        "flag",
        "Windowed attention (faster)",
        "The largest attention layers see a quarter of the picture at a time.",
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

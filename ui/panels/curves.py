"""The curves of a stage as a small drawing, and what they amount to in a sentence.

hold = c^alpha1      whole = c^alpha2      smoothing = the blur's deviation over the largest that can be set
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from engine.formulas.schedule import NEGLIGIBLE_WEIGHT, cosine
from engine.planning.stage import Stage
from engine.recipe.recipe import SETTINGS
from ui.text import methods, words

RELEASED_SHARE = 0.5
"""The layout is let go where at least this share of a step's own work survives."""
VISIBLE_SHARE = 0.05
"""The whole is looked at while it has at least this share of a step."""

WIDTH, HEIGHT = 320, 120
LEFT, RIGHT, TOP, BOTTOM = 8.0, 266.0, 8.0, 88.0
STRIPS = (97.0, 109.0)
"""Where the two strips lie that say which views are worked."""
LABELLED_AT = {"hold": 0.6, "whole": 0.55, "release": 0.25, "smoothing": 0.95}
"""How high on its curve a label stands, as a share of the curve's top."""
APART = 11.0
"""Between the labels of two curves, so that both can be read."""

STYLE = (
    "width:100%;height:auto;display:block;color:var(--body-text-color,currentColor);"
    "font:11px var(--font,sans-serif)"
)
COLOURS = {
    "hold": "var(--curve-hold,#d9480f)",
    "whole": "var(--curve-whole,#1c7ed6)",
    "release": "var(--curve-release,#9c36b5)",
    "smoothing": "var(--curve-smoothing,#2f9e44)",
}
DASHES = {"hold": "", "whole": "7 3", "release": "2 6", "smoothing": "1.5 3"}


@dataclass(frozen=True)
class CurveSteps:
    """Steps counted from 1, or None where a clause does not apply or never comes to pass.

    lets_go: the first whose survival is at least FREE.
    looks: the last worked one whose share of the whole, c2, is at least SEEN.
    smooths: the last worked one that looks at the whole through a blur that does something.
    """

    lets_go: int | None
    looks: int | None
    smooths: int | None


def curve_steps(stage: Stage) -> CurveSteps:
    """What the curves of a stage above the first say."""
    schedule = stage.schedule
    worked = np.arange(len(schedule.t)) >= schedule.first
    looks = worked & (schedule.c2 >= VISIBLE_SHARE)
    smooths = worked & (schedule.c2 > 0) & _felt(schedule.blur)
    lets_go = int(np.argmax(schedule.survival >= RELEASED_SHARE)) + 1 if schedule.c1.any() else None
    return CurveSteps(lets_go, _last(looks), _last(smooths))


def _felt(blur: np.ndarray) -> np.ndarray:
    """Where a neighbour weighs enough to be seen; as published, the blur is worked even where it does not."""
    with np.errstate(divide="ignore"):
        return np.exp(-0.5 / blur**2) >= NEGLIGIBLE_WEIGHT


def _last(where: np.ndarray) -> int | None:
    (steps,) = np.nonzero(where)
    return int(steps[-1]) + 1 if len(steps) else None


def describe_curves(stage: Stage) -> str:
    """What the settings do in this stage, in words."""
    if stage.is_base or not stage.method.has_base:
        return words.NO_CURVES_AT_BASE if stage.is_base else ""
    said, steps = curve_steps(stage), len(stage.schedule.t)
    layout = _of_start(stage) if stage.method.restarts else _of_layout(said, steps)
    told = [layout, _of_whole(stage, said, steps)]
    if stage.dilated_views and said.looks:
        told.append(_of_smoothing(said))
    text = "; ".join(told)
    return text[0].upper() + text[1:] + "."


def _of_start(stage: Stage) -> str:
    return methods.RESTARTS_AT_STEP.format(step=stage.schedule.first + 1, steps=len(stage.schedule.t))


def _of_layout(said: CurveSteps, steps: int) -> str:
    if said.lets_go is None:
        return words.LAYOUT_ONLY_IN_FIRST_NOISE
    if said.lets_go == 1:
        return words.LAYOUT_FREE_FROM_START
    # Nothing comes after the last step that could undo its work, however firm the hold.
    held = said.lets_go == steps
    return (words.LAYOUT_HELD_TO_END if held else words.LAYOUT_RELEASED_AT_STEP).format(step=said.lets_go, steps=steps)


def _of_whole(stage: Stage, said: CurveSteps, steps: int) -> str:
    if stage.sees_whole_canvas:
        return words.DILATED_TO_END
    if not stage.dilated_views:
        return words.DILATED_NEVER
    if said.looks is None:
        return words.DILATED_HARDLY
    return words.DILATED_TO_END if said.looks == steps else words.DILATED_UNTIL_STEP.format(step=said.looks)


def _of_smoothing(said: CurveSteps) -> str:
    if said.smooths is None:
        return words.SMOOTHED_NEVER
    return (
        words.SMOOTHED_TO_END if said.smooths >= said.looks else words.SMOOTHED_UNTIL_STEP.format(step=said.smooths)
    )


def curves_svg(stage: Stage, name: str = "") -> str:
    """The drawing as SVG, empty for a base. `name` is its title; it is escaped."""
    if stage.is_base or not stage.method.has_base:
        return ""
    title = name or words.CURVES_TITLE.format(number=stage.number, steps=len(stage.schedule.t))
    return "".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" style="{STYLE}">',
            f"<title>{escape(title)}</title><desc>{escape(describe_curves(stage))}</desc>",
            _skipped(stage),
            f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="currentColor" opacity=".45"/>',
            *_lines(stage),
            *_strips(stage),
            "</svg>",
        )
    )


def curves_html(stage: Stage) -> str:
    """The curves with their sentence under them."""
    return f"{curves_svg(stage)}<p>{escape(describe_curves(stage))}</p>"


def _shares(stage: Stage) -> dict[str, np.ndarray]:
    """The curves that this stage has, each between 0 and 1."""
    recipe, schedule = stage.recipe, stage.schedule
    c = cosine(schedule.t.astype(np.float64), stage.facts.train_steps)
    shares = {"hold": c**recipe.alpha1} if schedule.c1.any() else {}
    if stage.dilated_views:
        shares |= {"whole": c**recipe.alpha2}
    if stage.dilated_views and schedule.blur.any():
        shares |= {"release": c**recipe.alpha3, "smoothing": schedule.blur / SETTINGS["sigma1"].high}
    return shares


def _x(stage: Stage, step: float) -> float:
    """Where a step begins."""
    return round(LEFT + (RIGHT - LEFT) * step / len(stage.schedule.t), 1)


def _y(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def _lines(stage: Stage) -> list[str]:
    """The curves, and their labels where each is clearest of the others."""
    shares, drawn = _shares(stage), []
    for (name, share), (x, y) in zip(shares.items(), _places(stage, shares), strict=True):
        points = " ".join(f"{_x(stage, n + 0.5)},{_y(v)}" for n, v in enumerate(share.tolist()))
        dash = f' stroke-dasharray="{DASHES[name]}"' if DASHES[name] else ""
        drawn.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>'
            f'<text x="{x}" y="{y}" fill="currentColor">{words.CURVE_LABELS[name]}</text>'
        )
    return drawn


def _places(stage: Stage, shares: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    """Where the labels stand: right of each curve at a height of its own, and off each other."""
    taken: list[tuple[float, float]] = []
    for name, share in shares.items():
        height = LABELLED_AT[name] * float(share.max())
        step = int(np.argmax(share < height)) if (share < height).any() else len(share) - 1
        right, down = (2, -4) if name == "smoothing" else (7, 0)
        x, y = min(_x(stage, step + 0.5) + right, RIGHT - APART), max(_y(height) + down, TOP + APART)
        while any(abs(x - other) < 1.5 * APART and abs(y - beside) < APART for other, beside in taken):
            x += 1.5 * APART
        taken.append((round(x, 1), round(y, 1)))
    return taken


def _skipped(stage: Stage) -> str:
    """The steps that economy leaves out, shaded and named where there is room."""
    if not stage.schedule.first:
        return ""
    width = round(_x(stage, stage.schedule.first) - LEFT, 1)
    shade = f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{BOTTOM - TOP}" fill="currentColor" '
    shade += 'fill-opacity=".13"/>'
    if width < 4 * APART:
        return shade
    return shade + _small(LEFT + width / 2, BOTTOM - 4, words.SKIPPED_STEPS, "middle")


def _small(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="9" text-anchor="{anchor}" fill="currentColor" '
        f'fill-opacity=".75">{text}</text>'
    )


def _strips(stage: Stage) -> list[str]:
    """Two bars under the curves: during which steps the whole, and windows, are worked."""
    schedule = stage.schedule
    worked = np.arange(len(schedule.t)) >= schedule.first
    views = {words.WINDOW_STRIP: (worked & (schedule.c2 < 1), 'fill-opacity=".4"')}
    if stage.dilated_views:
        views = {words.DILATED_STRIP: (worked & (schedule.c2 > 0), 'fill-opacity=".75"')} | views
    drawn = []
    for y, (name, (where, look)) in zip(STRIPS, views.items(), strict=False):
        (steps,) = np.nonzero(where)
        if len(steps):
            left, right = _x(stage, steps[0]), _x(stage, steps[-1] + 1)
            width = round(right - left, 1)
            drawn.append(
                f'<rect x="{left}" y="{y - 4}" width="{width}" height="5" rx="1" fill="currentColor" {look}/>'
            )
        drawn.append(_small(RIGHT + 6, y + 1.5, name))
    return drawn

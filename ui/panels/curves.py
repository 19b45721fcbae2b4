"""The curves of a stage's schedule as an SVG drawing, with a sentence that describes them.

Each curve runs over the steps of the stage, between 0 and 1. With c, the cosine that decays from 1 to 0:
    hold       c ** alpha1    how strongly the canvas is pulled to the anchor
    whole      c ** alpha2    the weight of the dilated views
    release    c ** alpha3    how the blur decays
    smoothing  the blur's standard deviation, as a fraction of the largest one that can be set
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from engine.formulas.schedule import NEGLIGIBLE_WEIGHT, cosine
from engine.planning.stage import Stage
from engine.recipe.recipe import SETTINGS
from ui.text import methods, words

# The layout counts as released from the first step of whose output this fraction survives to the end.
RELEASED_FRACTION = 0.5
# Dilated views count as used while their weight is at least this.
VISIBLE_WEIGHT = 0.05

# The drawing's size, and the edges of the curves within it.
WIDTH, HEIGHT = 320, 120
LEFT, RIGHT, TOP, BOTTOM = 8.0, 266.0, 8.0, 88.0
# y of the two strips below the curves: steps with dilated views, and steps with windows.
STRIPS = (97.0, 109.0)
# The height at which each curve is labelled, as a fraction of its maximum.
LABEL_HEIGHTS = {"hold": 0.6, "whole": 0.55, "release": 0.25, "smoothing": 0.95}
# Distance between the labels of two curves.
LABEL_DISTANCE = 11.0

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
    """Steps, counted from 1, at which a stage changes its behaviour; None where that never happens."""

    # The first step of whose output at least RELEASED_FRACTION survives.
    layout_released: int | None
    # The last step in which dilated views have at least VISIBLE_WEIGHT.
    last_dilated: int | None
    # The last step in which dilated views see a canvas that is visibly blurred.
    last_smoothed: int | None


def curve_steps(stage: Stage) -> CurveSteps:
    """Find the steps at which a stage above the base changes its behaviour."""
    schedule = stage.schedule
    is_run = np.arange(len(schedule.t)) >= schedule.first
    is_dilated = is_run & (schedule.c2 >= VISIBLE_WEIGHT)
    is_smoothed = is_run & (schedule.c2 > 0) & _is_visible_blur(schedule.blur)
    layout_released = None
    if schedule.c1.any():
        layout_released = int(np.argmax(schedule.survival >= RELEASED_FRACTION)) + 1
    return CurveSteps(layout_released, _last_step(is_dilated), _last_step(is_smoothed))


def _is_visible_blur(sigma: np.ndarray) -> np.ndarray:
    """Return where a blur gives a neighbouring cell a weight that matters."""
    with np.errstate(divide="ignore"):
        return np.exp(-0.5 / sigma**2) >= NEGLIGIBLE_WEIGHT


def _last_step(where: np.ndarray) -> int | None:
    """Return the last step, counted from 1, where a condition holds; None if there is none."""
    (steps,) = np.nonzero(where)
    return int(steps[-1]) + 1 if len(steps) else None


def describe_curves(stage: Stage) -> str:
    """Describe in one sentence what the settings do over the steps of a stage; empty if they do nothing."""
    if stage.is_base or not stage.method.has_base:
        return words.NO_CURVES_AT_BASE if stage.is_base else ""
    changes, steps = curve_steps(stage), len(stage.schedule.t)
    layout = _describe_restart(stage) if stage.method.restarts else _describe_layout(changes, steps)
    clauses = [layout, _describe_dilation(stage, changes, steps)]
    if stage.dilated_views and changes.last_dilated:
        clauses.append(_describe_smoothing(changes))
    text = "; ".join(clauses)
    return text[0].upper() + text[1:] + "."


def _describe_restart(stage: Stage) -> str:
    """Return from which step on a stage denoises the enlarged picture."""
    return methods.RESTARTS_AT_STEP.format(step=stage.schedule.first + 1, steps=len(stage.schedule.t))


def _describe_layout(changes: CurveSteps, steps: int) -> str:
    """Return how long a stage keeps the layout of the stage before it."""
    if changes.layout_released is None:
        return words.LAYOUT_ONLY_IN_FIRST_NOISE
    if changes.layout_released == 1:
        return words.LAYOUT_FREE_FROM_START
    # The last step's output survives however strong the pull was, so this is no release.
    if changes.layout_released == steps:
        return words.LAYOUT_HELD_TO_END.format(steps=steps)
    return words.LAYOUT_RELEASED_AT_STEP.format(step=changes.layout_released, steps=steps)


def _describe_dilation(stage: Stage, changes: CurveSteps, steps: int) -> str:
    """Return until which step a stage sees the whole canvas at once."""
    if stage.sees_whole_canvas:
        return words.DILATED_TO_END
    if not stage.dilated_views:
        return words.DILATED_NEVER
    if changes.last_dilated is None:
        return words.DILATED_HARDLY
    if changes.last_dilated == steps:
        return words.DILATED_TO_END
    return words.DILATED_UNTIL_STEP.format(step=changes.last_dilated)


def _describe_smoothing(changes: CurveSteps) -> str:
    """Return until which step dilated views see a blurred canvas."""
    if changes.last_smoothed is None:
        return words.SMOOTHED_NEVER
    if changes.last_smoothed >= changes.last_dilated:
        return words.SMOOTHED_TO_END
    return words.SMOOTHED_UNTIL_STEP.format(step=changes.last_smoothed)


def curves_svg(stage: Stage, name: str = "") -> str:
    """Draw the curves as SVG; empty for a stage without curves. name: the drawing's title, as plain text."""
    if stage.is_base or not stage.method.has_base:
        return ""
    title = name or words.CURVES_TITLE.format(number=stage.number, steps=len(stage.schedule.t))
    return "".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" style="{STYLE}">',
            f"<title>{escape(title)}</title><desc>{escape(describe_curves(stage))}</desc>",
            _draw_skipped_steps(stage),
            f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="currentColor" opacity=".45"/>',
            *_draw_curves(stage),
            *_draw_strips(stage),
            "</svg>",
        )
    )


def curves_html(stage: Stage) -> str:
    """Return the drawing with its sentence below it."""
    return f"{curves_svg(stage)}<p>{escape(describe_curves(stage))}</p>"


def _curves(stage: Stage) -> dict[str, np.ndarray]:
    """Return the curves that this stage has, each with a value between 0 and 1 for every step."""
    recipe, schedule = stage.recipe, stage.schedule
    c = cosine(schedule.t.astype(np.float64), stage.facts.train_steps)
    curves = {}
    if schedule.c1.any():
        curves["hold"] = c**recipe.alpha1
    if stage.dilated_views:
        curves["whole"] = c**recipe.alpha2
    if stage.dilated_views and schedule.blur.any():
        curves["release"] = c**recipe.alpha3
        curves["smoothing"] = schedule.blur / SETTINGS["sigma1"].high
    return curves


def _x(stage: Stage, step: float) -> float:
    """Return where a step, counted from 0, begins in the drawing."""
    return round(LEFT + (RIGHT - LEFT) * step / len(stage.schedule.t), 1)


def _y(value: float) -> float:
    """Return where a curve's value lies in the drawing."""
    return round(BOTTOM - (BOTTOM - TOP) * value, 1)


def _draw_curves(stage: Stage) -> list[str]:
    """Draw the curves with their labels."""
    curves = _curves(stage)
    elements = []
    for (name, values), (x, y) in zip(curves.items(), _label_positions(stage, curves), strict=True):
        points = " ".join(f"{_x(stage, n + 0.5)},{_y(value)}" for n, value in enumerate(values.tolist()))
        dash = f' stroke-dasharray="{DASHES[name]}"' if DASHES[name] else ""
        elements.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>'
            f'<text x="{x}" y="{y}" fill="currentColor">{words.CURVE_LABELS[name]}</text>'
        )
    return elements


def _label_positions(stage: Stage, curves: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    """Return (x, y) of each curve's label: to the right of the curve, and clear of the other labels."""
    positions: list[tuple[float, float]] = []
    for name, values in curves.items():
        height = LABEL_HEIGHTS[name] * float(values.max())
        is_below = values < height
        step = int(np.argmax(is_below)) if is_below.any() else len(values) - 1
        right, down = (2, -4) if name == "smoothing" else (7, 0)
        x = min(_x(stage, step + 0.5) + right, RIGHT - LABEL_DISTANCE)
        y = max(_y(height) + down, TOP + LABEL_DISTANCE)
        while _is_near_any(x, y, positions):
            x += 1.5 * LABEL_DISTANCE
        positions.append((round(x, 1), round(y, 1)))
    return positions


def _is_near_any(x: float, y: float, positions: list[tuple[float, float]]) -> bool:
    """Return whether a label at (x, y) would overlap another one."""
    return any(
        abs(x - other_x) < 1.5 * LABEL_DISTANCE and abs(y - other_y) < LABEL_DISTANCE
        for other_x, other_y in positions
    )


def _draw_skipped_steps(stage: Stage) -> str:
    """Shade the first steps, which economy leaves out, and label them where there is room."""
    if not stage.schedule.first:
        return ""
    width = round(_x(stage, stage.schedule.first) - LEFT, 1)
    shade = f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{BOTTOM - TOP}" fill="currentColor" '
    shade += 'fill-opacity=".13"/>'
    if width < 4 * LABEL_DISTANCE:
        return shade
    return shade + _small_text(LEFT + width / 2, BOTTOM - 4, words.SKIPPED_STEPS, "middle")


def _small_text(x: float, y: float, text: str, anchor: str = "start") -> str:
    """Return an SVG text in small letters; anchor is SVG's text-anchor."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="9" text-anchor="{anchor}" fill="currentColor" '
        f'fill-opacity=".75">{text}</text>'
    )


def _draw_strips(stage: Stage) -> list[str]:
    """Draw two bars below the curves: during which steps dilated views, and windows, are denoised."""
    schedule = stage.schedule
    is_run = np.arange(len(schedule.t)) >= schedule.first
    strips = [(words.WINDOW_STRIP, is_run & (schedule.c2 < 1), ".4")]
    if stage.dilated_views:
        strips.insert(0, (words.DILATED_STRIP, is_run & (schedule.c2 > 0), ".75"))
    elements = []
    for y, (label, where, opacity) in zip(STRIPS, strips, strict=False):
        (steps,) = np.nonzero(where)
        if len(steps):
            left, right = _x(stage, steps[0]), _x(stage, steps[-1] + 1)
            elements.append(
                f'<rect x="{left}" y="{y - 4}" width="{round(right - left, 1)}" height="5" rx="1" '
                f'fill="currentColor" fill-opacity="{opacity}"/>'
            )
        elements.append(_small_text(RIGHT + 6, y + 1.5, label))
    return elements

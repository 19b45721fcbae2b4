"""The curves of a stage's schedule as an SVG drawing, with a sentence that describes them.

Each curve has a value between 0 and 1 at every denoising step of the stage. c is a cosine that decays from 1 to 0
over the steps:
    hold       c ** alpha1    how strongly the canvas is pulled to the anchor
    whole      c ** alpha2    the weight of the dilated views
    release    c ** alpha3    how the blur decays
    smoothing  the standard deviation of the blur, as a fraction of the largest value of sigma1
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from engine.catalogue.upscalers import upscaler_record_name
from engine.formulas.schedule import NEGLIGIBLE_WEIGHT, cosine
from engine.planning.stage import Stage
from engine.recipe.recipe import SETTINGS
from ui.text import methods, words

# The layout counts as released at the first step whose output keeps at least this weight in the stage's result.
RELEASED_FRACTION = 0.5
# Dilated views count as used at a step if their weight is at least this.
MIN_DILATED_WEIGHT = 0.05

# The size of the drawing, in units of the SVG.
WIDTH, HEIGHT = 320, 120
# The edges of the area with the curves.
LEFT, RIGHT, TOP, BOTTOM = 8.0, 266.0, 8.0, 88.0
# y of the two strips below the curves. They mark the steps with dilated views, and the steps with windows.
STRIP_POSITIONS = (97.0, 109.0)
# A curve's label is placed where the curve falls below this fraction of its maximum.
LABEL_HEIGHTS = {"hold": 0.6, "whole": 0.55, "release": 0.25, "smoothing": 0.95}
# Smallest vertical distance between the labels of two curves.
LABEL_DISTANCE = 11.0

# CSS of the drawing.
SVG_STYLE = (
    "width:100%;height:auto;display:block;color:var(--body-text-color,currentColor);"
    "font:11px var(--font,sans-serif)"
)
# CSS colour of each curve.
COLOURS = {
    "hold": "var(--curve-hold,#d9480f)",
    "whole": "var(--curve-whole,#1c7ed6)",
    "release": "var(--curve-release,#9c36b5)",
    "smoothing": "var(--curve-smoothing,#2f9e44)",
}
# SVG's dash pattern of each curve; empty for a solid line.
DASHES = {"hold": "", "whole": "7 3", "release": "2 6", "smoothing": "1.5 3"}


@dataclass(frozen=True)
class CurveSteps:
    """Numbers, from 1, of the denoising steps at which the behaviour of a stage changes."""

    # The first step at which the layout of the stage before is free to change; None if no step is pulled to the
    # anchor.
    layout_release_step: int | None
    # The last step at which dilated views have at least MIN_DILATED_WEIGHT; None if there is no such step.
    last_dilated_step: int | None
    # The last step at which dilated views see a visibly blurred canvas; None if there is no such step.
    last_smoothed_step: int | None


def curve_steps(stage: Stage) -> CurveSteps:
    """Return the steps at which the behaviour of a stage after the first changes."""
    schedule = stage.schedule
    is_run = np.arange(len(schedule.t)) >= schedule.first
    is_dilated = is_run & (schedule.c2 >= MIN_DILATED_WEIGHT)
    is_smoothed = is_run & (schedule.c2 > 0) & _is_visible_blur(schedule.blur)
    layout_released = None
    if schedule.c1.any():
        layout_released = int(np.argmax(schedule.survival >= RELEASED_FRACTION)) + 1
    return CurveSteps(layout_released, _last_step(is_dilated), _last_step(is_smoothed))


def _is_visible_blur(sigma: np.ndarray) -> np.ndarray:
    """Return for each standard deviation whether the blur gives neighbouring latent cells a visible weight."""
    with np.errstate(divide="ignore"):
        return np.exp(-0.5 / sigma**2) >= NEGLIGIBLE_WEIGHT


def _last_step(where: np.ndarray) -> int | None:
    """Return the number, from 1, of the last step for which `where` is True; None if there is no such step."""
    (steps,) = np.nonzero(where)
    return int(steps[-1]) + 1 if len(steps) else None


def describe_curves(stage: Stage) -> str:
    """Return a sentence on what the settings do over the steps of a stage.

    Returns an empty text for a method without a first stage at native size, whose settings do nothing.
    """
    if stage.upscales:
        title = methods.ENLARGE_TITLES.get(stage.upscaler, upscaler_record_name(stage.upscaler))
        return methods.MADE_BY_UPSCALER.format(title=title)
    if stage.is_base or not stage.method.has_base:
        return words.NO_CURVES_AT_BASE if stage.is_base else ""
    changes, steps = curve_steps(stage), len(stage.schedule.t)
    clauses = [_describe_restart(stage)] if stage.start_fraction < 1 else []
    if not clauses or (changes.layout_release_step or 0) > stage.schedule.first + 1:
        clauses.append(_describe_layout(changes, steps))
    clauses += [_describe_dilation(stage, changes, steps)]
    if stage.dilated_view_count and changes.last_dilated_step:
        clauses.append(_describe_smoothing(changes))
    text = "; ".join(clauses)
    return text[0].upper() + text[1:] + "."


def _describe_restart(stage: Stage) -> str:
    """Return a clause that names the step at which a stage begins to denoise the enlarged picture."""
    return methods.RESTARTS_AT_STEP.format(step=stage.schedule.first + 1, steps=len(stage.schedule.t))


def _describe_layout(changes: CurveSteps, steps: int) -> str:
    """Return a clause on how long a stage keeps the layout of the stage before it.

    steps: the number of denoising steps.
    """
    if changes.layout_release_step is None:
        return words.LAYOUT_ONLY_IN_FIRST_NOISE
    if changes.layout_release_step == 1:
        return words.LAYOUT_FREE_FROM_START
    # The last step's output survives however strong the pull was, so this is no release.
    if changes.layout_release_step == steps:
        return words.LAYOUT_HELD_TO_END.format(steps=steps)
    return words.LAYOUT_RELEASED_AT_STEP.format(step=changes.layout_release_step, steps=steps)


def _describe_dilation(stage: Stage, changes: CurveSteps, steps: int) -> str:
    """Return a clause that names the last step at which a stage sees the whole canvas at once.

    steps: the number of denoising steps.
    """
    if stage.sees_whole_canvas:
        return words.DILATED_TO_END
    if not stage.dilated_view_count:
        return words.DILATED_NEVER
    if changes.last_dilated_step is None:
        return words.DILATED_HARDLY
    if changes.last_dilated_step == steps:
        return words.DILATED_TO_END
    return words.DILATED_UNTIL_STEP.format(step=changes.last_dilated_step)


def _describe_smoothing(changes: CurveSteps) -> str:
    """Return a clause that names the last step at which dilated views see a blurred canvas."""
    if changes.last_smoothed_step is None:
        return words.SMOOTHED_NEVER
    if changes.last_smoothed_step >= (changes.last_dilated_step or 0):
        return words.SMOOTHED_TO_END
    return words.SMOOTHED_UNTIL_STEP.format(step=changes.last_smoothed_step)


def curves_svg(stage: Stage, name: str = "") -> str:
    """Return the curves of a stage as SVG; empty for a stage without curves.

    name: the title of the drawing as plain text; empty for the default title.
    """
    if stage.is_base or stage.upscales or not stage.method.has_base:
        return ""
    title = name or words.CURVES_TITLE.format(number=stage.number, steps=len(stage.schedule.t))
    return "".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" style="{SVG_STYLE}">',
            f"<title>{escape(title)}</title><desc>{escape(describe_curves(stage))}</desc>",
            _draw_skipped_steps(stage),
            f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="currentColor" opacity=".45"/>',
            *_draw_curves(stage),
            *_draw_strips(stage),
            "</svg>",
        )
    )


def curves_html(stage: Stage) -> str:
    """Return the drawing of a stage's curves as HTML, with a sentence below that describes the curves."""
    return f"{curves_svg(stage)}<p>{escape(describe_curves(stage))}</p>"


def _curve_values(stage: Stage) -> dict[str, np.ndarray]:
    """Return the curves of a stage by name, each as an array with a value from 0 to 1 for every step."""
    recipe, schedule = stage.recipe, stage.schedule
    c = cosine(schedule.t.astype(np.float64), stage.facts.train_steps)
    curves = {}
    if schedule.c1.any():
        curves["hold"] = c**recipe.alpha1
    if stage.dilated_view_count:
        curves["whole"] = c**recipe.alpha2
    if stage.dilated_view_count and schedule.blur.any():
        curves["release"] = c**recipe.alpha3
        curves["smoothing"] = schedule.blur / SETTINGS["sigma1"].high
    return curves


def _x_of_step(stage: Stage, step: float) -> float:
    """Return the x in the drawing at which a step, counted from 0, begins."""
    return round(LEFT + (RIGHT - LEFT) * step / len(stage.schedule.t), 1)


def _y_of_value(value: float) -> float:
    """Return the y in the drawing of a curve's value from 0 to 1."""
    return round(BOTTOM - (BOTTOM - TOP) * value, 1)


def _draw_curves(stage: Stage) -> list[str]:
    """Return SVG elements for the curves and their labels."""
    curves = _curve_values(stage)
    elements = []
    for (name, values), (x, y) in zip(curves.items(), _label_positions(stage, curves), strict=True):
        points = " ".join(
            f"{_x_of_step(stage, n + 0.5)},{_y_of_value(value)}" for n, value in enumerate(values.tolist())
        )
        dash = f' stroke-dasharray="{DASHES[name]}"' if DASHES[name] else ""
        elements.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>'
            f'<text x="{x}" y="{y}" fill="currentColor">{words.CURVE_LABELS[name]}</text>'
        )
    return elements


def _label_positions(stage: Stage, curves: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    """Return (x, y) of the label of each curve: to the right of the curve, without overlap of labels."""
    positions: list[tuple[float, float]] = []
    for name, values in curves.items():
        height = LABEL_HEIGHTS[name] * float(values.max())
        is_below = values < height
        step = int(np.argmax(is_below)) if is_below.any() else len(values) - 1
        right, down = (2, -4) if name == "smoothing" else (7, 0)
        x = min(_x_of_step(stage, step + 0.5) + right, RIGHT - LABEL_DISTANCE)
        y = max(_y_of_value(height) + down, TOP + LABEL_DISTANCE)
        while _is_near_any(x, y, positions):
            x += 1.5 * LABEL_DISTANCE
        positions.append((round(x, 1), round(y, 1)))
    return positions


def _is_near_any(x: float, y: float, positions: list[tuple[float, float]]) -> bool:
    """Return whether a label at (x, y) would overlap a label at one of the positions."""
    return any(
        abs(x - other_x) < 1.5 * LABEL_DISTANCE and abs(y - other_y) < LABEL_DISTANCE
        for other_x, other_y in positions
    )


def _draw_skipped_steps(stage: Stage) -> str:
    """Return SVG elements that shade the first steps if they are skipped, with a label if there is room."""
    if not stage.schedule.first:
        return ""
    width = round(_x_of_step(stage, stage.schedule.first) - LEFT, 1)
    shade = f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{BOTTOM - TOP}" fill="currentColor" '
    shade += 'fill-opacity=".13"/>'
    if width < 4 * LABEL_DISTANCE:
        return shade
    return shade + _small_text(LEFT + width / 2, BOTTOM - 4, words.SKIPPED_STEPS, "middle")


def _small_text(x: float, y: float, text: str, anchor: str = "start") -> str:
    """Return an SVG text element in small letters; anchor is SVG's text-anchor."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="9" text-anchor="{anchor}" fill="currentColor" '
        f'fill-opacity=".75">{text}</text>'
    )


def _draw_strips(stage: Stage) -> list[str]:
    """Return SVG elements for two bars below the curves: the steps with dilated views, the steps with windows."""
    schedule = stage.schedule
    is_run = np.arange(len(schedule.t)) >= schedule.first
    strips = [(words.WINDOW_STRIP, is_run & (schedule.c2 < 1), ".4")]
    if stage.dilated_view_count:
        strips.insert(0, (words.DILATED_STRIP, is_run & (schedule.c2 > 0), ".75"))
    elements = []
    for y, (label, where, opacity) in zip(STRIP_POSITIONS, strips, strict=False):
        (steps,) = np.nonzero(where)
        if len(steps):
            left, right = _x_of_step(stage, steps[0]), _x_of_step(stage, steps[-1] + 1)
            elements.append(
                f'<rect x="{left}" y="{y - 4}" width="{round(right - left, 1)}" height="5" rx="1" '
                f'fill="currentColor" fill-opacity="{opacity}"/>'
            )
        elements.append(_small_text(RIGHT + 6, y + 1.5, label))
    return elements

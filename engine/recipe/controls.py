"""Controls: a picture whose edges, depth or pose the drawing follows. What may be asked of one; no torch.

A *map* is what a ControlNet reads: a picture of edges, say, at the size of the stage that is drawn. A *kind*
says how a map is made of a picture.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from engine.recipe import images
from engine.recipe.fields import Setting, setting, settings_of

MOST_CONTROLS = 4
MOST_STAGES = 8
STRONGEST = 2.0


@dataclass(frozen=True)
class Kind:
    """title: of the kind. follows: what is followed, as the net is called that reads such maps.

    lines: thin lines, which lose their strength when they are averaged.
    knobs: the settings that it reads.    source: "" for those made here, else who makes them.
    """

    title: str
    follows: str
    lines: bool = False
    knobs: tuple[str, ...] = ()
    source: str = ""


AUX, TRANSFORMERS = "controlnet-aux", "transformers"
KINDS = {
    "canny": Kind("Edges", "canny", lines=True, knobs=("low", "high")),
    "soft": Kind("Soft edges", "softedge", knobs=("blur",)),
    "lineart": Kind("Line art", "lineart", lines=True, knobs=("blur",)),
    "grey": Kind("Grey", "grey"),
    "tile": Kind("Blurred picture", "tile", knobs=("blur",)),
    "shuffle": Kind("Shuffled picture", "shuffle"),
    "openpose": Kind("Pose", "openpose", lines=True, source=AUX),
    "hed": Kind("Soft edges (HED)", "softedge", source=AUX),
    "pidi": Kind("Soft edges (PidiNet)", "softedge", source=AUX),
    "teed": Kind("Soft edges (TEED)", "softedge", source=AUX),
    "lineart_fine": Kind("Line art (learned)", "lineart", lines=True, source=AUX),
    "lineart_anime": Kind("Line art (anime)", "lineart", lines=True, source=AUX),
    "mlsd": Kind("Straight lines", "mlsd", lines=True, source=AUX),
    "normal": Kind("Normals", "normal", source=AUX),
    "depth": Kind("Depth", "depth", source=TRANSFORMERS),
}


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control of a recipe. Making one never fails; checks.py looks at it.

    image: a path, or the digest of a picture that is kept.    net: in place of the model's own.
    """

    image: str | None = setting(None, "picture", "Picture to follow", "Its lines or shapes are followed.")
    kind: str = setting("canny", "choice", "Follow", "What of it is followed.", choices=tuple(KINDS))
    given: bool = setting(False, "flag", "It is a map", "The picture is such a map already.")
    scale: float = setting(
        1.0,
        "number",
        "How closely",
        "0: not at all. 1: closely. Above, it may look forced.",
        0,
        STRONGEST,
        0.05,
    )
    stages: tuple[float, ...] = setting(
        (), "strengths", "At each stage", "How closely at every stage; the last counts for all further ones."
    )
    start: float = setting(
        0.0, "number", "From", "The share of a stage's steps after which it is followed.", 0, 1, 0.05
    )
    end: float = setting(
        1.0, "number", "Until", "The share of a stage's steps until which it is followed.", 0, 1, 0.05
    )
    low: float = setting(
        100.0, "number", "Faint edges from", "Lower: fainter edges count, where they go on from clear ones.",
        1, 1000, 1,
    )  # fmt: skip
    high: float = setting(200.0, "number", "Clear edges from", "Lower: more edges begin.", 1, 1000, 1)
    blur: float = setting(
        2.0, "number", "Blurred by", "px of the first size. More: less of its detail is followed.",
        0.5, 16, 0.5,
    )  # fmt: skip
    net: str = setting("", "text", "ControlNet", "A folder, a file or a hub id, in place of the model's own.")

    def strength(self, stage: int) -> float:
        """How closely it is followed at a stage, counted from 1."""
        return self.stages[min(stage, len(self.stages)) - 1] if self.stages else self.scale

    def acts(self, index: int, steps: int) -> bool:
        """Whether it is felt at this step of a stage, as diffusers counts shares of steps."""
        return index / steps >= self.start and (index + 1) / steps <= self.end

    @property
    def lines(self) -> bool:
        return KINDS[self.kind].lines


CONTROL_SETTINGS: dict[str, Setting] = settings_of(Control)


def controls_of(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Mappings, as JSON and frozen pairs have them, as controls; what is none is left for the checks."""
    return tuple(_control(value) for value in values)


def _control(value: Any) -> Any:
    pairs = value if isinstance(value, tuple) and all(_is_pair(v) for v in value) else None
    if not pairs or not {name for name, _ in pairs} <= set(CONTROL_SETTINGS):
        return value
    return Control(**dict(pairs))


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def told(control: Control) -> dict[str, Any]:
    """Plain values for JSON, what differs from the defaults; no file by its path."""
    values = {f.name: getattr(control, f.name) for f in fields(Control)}
    if values["image"] and isinstance(values["image"], str | os.PathLike):
        values["image"] = images.digest(values["image"])
    if os.path.exists(values["net"]):
        values["net"] = os.path.basename(os.path.normpath(values["net"]))
    default = _default()
    return {k: v for k, v in values.items() if k in ("image", "kind") or v != getattr(default, k)}


def determines(control: Control, stage: int) -> dict[str, Any] | None:
    """All of a control that a stage's picture depends on, but for the net; None where it is not felt."""
    strength = control.strength(stage)
    if not strength or control.start >= control.end:
        return None
    read = () if control.given else KINDS[control.kind].knobs
    values: Mapping[str, Any] = {
        name: getattr(control, name) for name in ("kind", "given", "start", "end", *read)
    }
    return dict(values) | {"image": images.digest(control.image), "strength": strength}


@cache
def _default() -> Control:
    return Control()

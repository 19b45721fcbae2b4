"""Controls: images whose edges, depth or pose a run follows through a ControlNet. Their settings; no torch.

A map is what a ControlNet reads: an image of edges, for example, at the size of the stage. The kind of a map
says how it is made from an image.
"""

import os
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from engine.recipe import images
from engine.recipe.fields import Setting, collect_settings, setting

# Controls of a recipe.
MAX_CONTROLS = 4
# Stages for which a control may have a conditioning scale of its own.
MAX_CONTROL_STAGES = 8
# The largest conditioning scale.
MAX_CONTROL_STRENGTH = 2.0


@dataclass(frozen=True)
class MapKind:
    """A kind of control map."""

    title: str
    # The kind of ControlNet that reads such maps.
    controlnet: str
    # Whether the map consists of thin lines, which fade when they are averaged.
    lines: bool = False
    # The settings of a Control from which the map is made.
    settings: tuple[str, ...] = ()
    # The package whose detector makes the map; "" for maps that maps.py makes itself.
    source: str = ""


# Packages with detectors.
CONTROLNET_AUX = "controlnet-aux"
TRANSFORMERS = "transformers"
# The kinds of control maps by the value of Control.kind.
MAP_KINDS = {
    "canny": MapKind("Edges", "canny", lines=True, settings=("low", "high")),
    "soft": MapKind("Soft edges", "softedge", settings=("blur",)),
    "lineart": MapKind("Line art", "lineart", lines=True, settings=("blur",)),
    "grey": MapKind("Grey", "grey"),
    "tile": MapKind("Blurred picture", "tile", settings=("blur",)),
    "shuffle": MapKind("Shuffled picture", "shuffle"),
    "openpose": MapKind("Pose", "openpose", lines=True, source=CONTROLNET_AUX),
    "hed": MapKind("Soft edges (HED)", "softedge", source=CONTROLNET_AUX),
    "pidi": MapKind("Soft edges (PidiNet)", "softedge", source=CONTROLNET_AUX),
    "teed": MapKind("Soft edges (TEED)", "softedge", source=CONTROLNET_AUX),
    "lineart_fine": MapKind("Line art (learned)", "lineart", lines=True, source=CONTROLNET_AUX),
    "lineart_anime": MapKind("Line art (anime)", "lineart", lines=True, source=CONTROLNET_AUX),
    "mlsd": MapKind("Straight lines", "mlsd", lines=True, source=CONTROLNET_AUX),
    "normal": MapKind("Normals", "normal", source=CONTROLNET_AUX),
    "depth": MapKind("Depth", "depth", source=TRANSFORMERS),
}


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control of a recipe: an image, and how the run follows it.

    Creating one never fails; checks.py validates it. `image` is a path or the digest of a stored image, and
    `net` is a ControlNet to use in place of the model's own.
    """

    image: str | None = setting(None, "picture", "Picture to follow", "Its lines or shapes are followed.")
    kind: str = setting("canny", "choice", "Follow", "What of it is followed.", choices=tuple(MAP_KINDS))
    given: bool = setting(False, "flag", "It is a map", "The picture is such a map already.")
    scale: float = setting(
        1.0,
        "number",
        "How closely",
        "0: not at all. 1: closely. Above, it may look forced.",
        0,
        MAX_CONTROL_STRENGTH,
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
        100.0,
        "number",
        "Faint edges from",
        "Lower: fainter edges count, where they go on from clear ones.",
        1,
        1000,
        1,
    )
    high: float = setting(200.0, "number", "Clear edges from", "Lower: more edges begin.", 1, 1000, 1)
    blur: float = setting(
        2.0,
        "number",
        "Blurred by",
        "px of the first size. More: less of its detail is followed.",
        0.5,
        16,
        0.5,
    )
    net: str = setting("", "text", "ControlNet", "A folder, a file or a hub id, in place of the model's own.")

    def strength(self, stage: int) -> float:
        """Return the conditioning scale at a stage, counted from 1."""
        if not self.stages:
            return self.scale
        return self.stages[min(stage, len(self.stages)) - 1]

    def is_active(self, index: int, steps: int) -> bool:
        """Return whether it applies at the step of this index in a stage of so many steps.

        Steps count from 0. The formula is that of diffusers' control_guidance_start and control_guidance_end.
        """
        return index / steps >= self.start and (index + 1) / steps <= self.end

    @property
    def lines(self) -> bool:
        """Whether its map consists of thin lines."""
        return MAP_KINDS[self.kind].lines


# The settings of a control by name.
CONTROL_SETTINGS: dict[str, Setting] = collect_settings(Control)


def parse_controls(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values with every control in the form of (name, value) pairs as a Control.

    Values that are no control are left as they are; checks.py refuses them.
    """
    return tuple(_parse_control(value) for value in values)


def _parse_control(value: Any) -> Any:
    if not isinstance(value, tuple) or not value or not all(_is_pair(item) for item in value):
        return value
    settings = dict(value)
    return Control(**settings) if set(settings) <= set(CONTROL_SETTINGS) else value


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def to_dict(control: Control) -> dict[str, Any]:
    """Return the image, the kind and all values that differ from their defaults, as plain values for JSON.

    The image is named by its digest, and a ControlNet on this machine by its folder's name, never by a path.
    """
    values = {f.name: getattr(control, f.name) for f in fields(Control)}
    if values["image"] and isinstance(values["image"], str | os.PathLike):
        values["image"] = images.digest(values["image"])
    if os.path.exists(values["net"]):
        values["net"] = os.path.basename(os.path.normpath(values["net"]))
    default = _default_control()
    return {k: v for k, v in values.items() if k in ("image", "kind") or v != getattr(default, k)}


def key_values(control: Control, stage: int) -> dict[str, Any] | None:
    """Return the values of a control that a stage's key depends on, without the ControlNet.

    None if the control has no effect at this stage.
    """
    strength = control.strength(stage)
    if not strength or control.start >= control.end:
        return None
    map_settings = () if control.given else MAP_KINDS[control.kind].settings
    names = ("kind", "given", "start", "end", *map_settings)
    values = {name: getattr(control, name) for name in names}
    return values | {"image": images.digest(control.image), "strength": strength}


@cache
def _default_control() -> Control:
    return Control()

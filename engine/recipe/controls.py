"""Controls: images whose edges, depth or pose a run follows through a ControlNet, and their settings. No torch.

A control map is the input of a ControlNet: for example an image of edges, at the size of the stage. The kind of
a control map says how the map is made from an image.
"""

import os
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from engine import errors
from engine.errors import BadRecipe
from engine.recipe import images
from engine.recipe.fields import Setting, collect_settings, setting

# The largest number of controls in a recipe.
MAX_CONTROLS = 4
# The largest conditioning scale of a control.
MAX_CONTROL_STRENGTH = 2.0


@dataclass(frozen=True)
class MapKind:
    """A kind of control map."""

    # The name that the page shows.
    title: str
    # The kind of ControlNet that reads maps of this kind.
    controlnet_kind: str
    # Whether the map consists of thin lines, which fade if the map is reduced by averaging.
    has_thin_lines: bool = False
    # The names of the Control's settings that change the map.
    settings: tuple[str, ...] = ()
    # The package with the detector that draws the map; "" if engine/control/maps.py draws the map itself.
    detector_package: str = ""


# A package that contains detectors: a value of MapKind.detector_package.
CONTROLNET_AUX = "controlnet-aux"
# Another package that contains detectors: a value of MapKind.detector_package.
TRANSFORMERS = "transformers"
# The kinds of control maps by the value of Control.kind.
MAP_KINDS = {
    "canny": MapKind("Edges", "canny", has_thin_lines=True, settings=("low", "high")),
    "soft": MapKind("Soft edges", "softedge", settings=("blur",)),
    "lineart": MapKind("Line art", "lineart", has_thin_lines=True, settings=("blur",)),
    "grey": MapKind("Brightness (grey)", "grey"),
    "tile": MapKind("Blurred picture", "tile", settings=("blur",)),
    "shuffle": MapKind("Shuffled picture", "shuffle"),
    "openpose": MapKind("Pose", "openpose", has_thin_lines=True, detector_package=CONTROLNET_AUX),
    "hed": MapKind("Soft edges (HED)", "softedge", detector_package=CONTROLNET_AUX),
    "pidi": MapKind("Soft edges (PidiNet)", "softedge", detector_package=CONTROLNET_AUX),
    "teed": MapKind("Soft edges (TEED)", "softedge", detector_package=CONTROLNET_AUX),
    "lineart_fine": MapKind(
        "Line art (learned)", "lineart", has_thin_lines=True, detector_package=CONTROLNET_AUX
    ),
    "lineart_anime": MapKind(
        "Line art (anime)", "lineart", has_thin_lines=True, detector_package=CONTROLNET_AUX
    ),
    "mlsd": MapKind("Straight lines", "mlsd", has_thin_lines=True, detector_package=CONTROLNET_AUX),
    "normal": MapKind("Surface normals", "normal", detector_package=CONTROLNET_AUX),
    "depth": MapKind("Depth", "depth", detector_package=TRANSFORMERS),
}


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control of a recipe: an image, and how closely each stage of the run follows the image.

    The constructor accepts any values; checks.py validates them. `image` is a path or the digest of a stored
    image. `given` says that the image is a ready-made control map. `net` is a ControlNet to use in place of the
    model's own.
    """

    image: str | None = setting(
        None, "picture", "Picture to follow", "The new picture follows its lines or shapes."
    )
    kind: str = setting(
        "canny", "choice", "Control type", "What is followed in the picture.", choices=tuple(MAP_KINDS)
    )
    given: bool = setting(False, "flag", "This is already a control map", "The picture is used as it is.")
    scale: float = setting(
        1.0,
        "number",
        "Control strength",
        "0: the picture is not followed. 1: it is followed closely. Above 1 the result may look forced.",
        0,
        MAX_CONTROL_STRENGTH,
        0.05,
    )
    stages: tuple[float, ...] = setting(
        (),
        "numbers",
        "Strength by stage",
        "One strength per stage; the last one is used for all further stages.",
        0,
        MAX_CONTROL_STRENGTH,
    )
    start: float = setting(
        0.0,
        "number",
        "Start following at",
        "As a share of the steps of a stage: 0 is the first step.",
        0,
        1,
        0.05,
    )
    end: float = setting(
        1.0,
        "number",
        "Stop following at",
        "As a share of the steps of a stage: 1 is the last step.",
        0,
        1,
        0.05,
    )
    low: float = setting(
        100.0,
        "number",
        "Weak-edge threshold",
        "Lower: more weak edges are followed, where they continue strong ones.",
        1,
        1000,
        1,
    )
    high: float = setting(
        200.0, "number", "Strong-edge threshold", "Lower: more edges are followed.", 1, 1000, 1
    )
    blur: float = setting(
        2.0,
        "number",
        "Blur",
        "In px of the first stage. Larger: less detail is followed.",
        0.5,
        16,
        0.5,
    )
    net: str = setting(
        "", "text", "ControlNet", "A folder, a file or a hub id, instead of the model's own ControlNet."
    )

    def strength(self, stage: int) -> float:
        """Return the conditioning scale at a stage, counted from 1."""
        if not self.stages:
            return self.scale
        return self.stages[min(stage, len(self.stages)) - 1]

    def is_active(self, index: int, steps: int) -> bool:
        """Return whether the control is followed at a denoising step.

        index: the step's number, from 0.    steps: the number of steps of the stage.
        The formula is the one of control_guidance_start and control_guidance_end in diffusers.
        """
        return index / steps >= self.start and (index + 1) / steps <= self.end

    @property
    def checked_image(self) -> str:
        """The image of a control that was checked; raises BadRecipe for a control without an image."""
        if self.image is None:
            raise BadRecipe("controls", errors.CONTROL_WITHOUT_PICTURE)
        return self.image

    @property
    def has_thin_lines(self) -> bool:
        """Whether the control's map consists of thin lines."""
        return MAP_KINDS[self.kind].has_thin_lines


# The Setting of each field of a control, by name.
CONTROL_SETTINGS: dict[str, Setting] = collect_settings(Control)


def parse_controls(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values, with each one that consists of a control's (name, value) pairs replaced by a Control.

    Other values are left unchanged; checks.py refuses those that are not a Control.
    """
    return tuple(_parse_control(value) for value in values)


def _parse_control(value: object) -> object:
    """Return a Control if the value consists of its (name, value) pairs, else the value itself."""
    if not isinstance(value, tuple) or not value or not all(_is_setting_pair(item) for item in value):
        return value
    settings = dict(value)
    return Control(**settings) if set(settings) <= set(CONTROL_SETTINGS) else value


def _is_setting_pair(value: object) -> bool:
    """Return whether a value is a (name, value) tuple, the form into which `freeze` turns each setting of a control."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def to_dict(control: Control) -> dict[str, Any]:
    """Return a control's settings by name, for JSON: the image, the kind and all values that are not the default.

    The result contains no paths: the image is given by its digest, a ControlNet's folder by its name alone.
    """
    values = {f.name: getattr(control, f.name) for f in fields(Control)}
    if values["image"] and isinstance(values["image"], str | os.PathLike):
        values["image"] = images.digest(values["image"])
    if os.path.exists(values["net"]):
        values["net"] = os.path.basename(os.path.normpath(values["net"]))
    default = _default_control()
    return {k: v for k, v in values.items() if k in ("image", "kind") or v != getattr(default, k)}


def key_values(control: Control, stage: int) -> dict[str, Any] | None:
    """Return the settings of a control, by name, that the key of a stage depends on; `net` is left out.

    stage: the stage's number. Return None if the control has no effect at this stage.
    """
    strength = control.strength(stage)
    if not strength or control.start >= control.end:
        return None
    map_settings = () if control.given else MAP_KINDS[control.kind].settings
    names = ("kind", "given", "start", "end", *map_settings)
    values = {name: getattr(control, name) for name in names}
    return values | {"image": images.digest(control.checked_image), "strength": strength}


@cache
def _default_control() -> Control:
    """Return a control with default settings."""
    return Control()

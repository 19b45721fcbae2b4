"""Loading all that a run's controls need before its first stage: ControlNets, detectors and images."""

import logging
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue import weights
from engine.control import detectors
from engine.control.conditioning import Conditioning, LoadedControl
from engine.errors import BadRecipe, first_line, short_repr
from engine.network import models
from engine.network.model import Model
from engine.planning.controlnets import CONFIG_FILE, ControlNetSource, check_compatible, controlnet_for
from engine.recipe import images
from engine.recipe.controls import MAP_KINDS, Control

log = logging.getLogger(__name__)

# Patterns of the files of a ControlNet on the hub, in full and in half precision.
FULL_PRECISION_FILES = [
    CONFIG_FILE,
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model-*-of-*.safetensors",
]
HALF_PRECISION_FILES = [CONFIG_FILE, "diffusion_pytorch_model.fp16.safetensors"]
# ControlNet-Union takes several kinds of maps; this is its number (control type) of each.
UNION_MODES = {
    "openpose": 0,
    "depth": 1,
    "softedge": 2,
    "canny": 3,
    "lineart": 3,
    "mlsd": 3,
    "normal": 4,
    "tile": 6,
}


def load_controlnets(controls: tuple[Control, ...], model: Model) -> tuple[tuple[Any, int | None], ...]:
    """Load the ControlNet of each control, and the detectors that they need.

    Return each ControlNet with its union mode (None if it is no union). Raise BadRecipe if one cannot be had.
    """
    sources = [controlnet_for(control, model.facts) for control in controls]
    for control in controls:
        if not control.given and MAP_KINDS[control.kind].source:
            detectors.load_detector(control.kind)
    controlnets = [_load_once(source, model) for source in sources]
    return tuple(
        (controlnet, _union_mode(control, controlnet))
        for control, controlnet in zip(controls, controlnets, strict=True)
    )


def _union_mode(control: Control, controlnet: Any) -> int | None:
    """Return the number that a union of ControlNets gives to this control's kind; None if it is no union."""
    count = getattr(controlnet.config, "num_control_type", None)
    if count is None:
        return None
    kind = MAP_KINDS[control.kind]
    mode = UNION_MODES.get(kind.controlnet, count)
    if mode >= count:
        known = ", ".join(name for name, number in UNION_MODES.items() if number < count)
        raise BadRecipe(
            "controls",
            errors.CONTROL_KIND_UNSUPPORTED.format(model="The union", kind=kind.title.lower(), known=known),
        )
    return mode


def build_conditioning(
    controls: tuple[Control, ...],
    controlnets: tuple[tuple[Any, int | None], ...],
    image_paths: tuple[Path, ...],
) -> Conditioning:
    """Build a run's conditioning from its controls, what `load_controlnets` returned, and their images."""
    loaded = tuple(
        LoadedControl(control, controlnet, mode, images.read(path))
        for control, (controlnet, mode), path in zip(controls, controlnets, image_paths, strict=True)
    )
    return Conditioning(loaded, detectors.detect)


def _load_once(source: ControlNetSource, model: Model) -> Any:
    """Return the ControlNet that is already loaded beside the model, or load it."""
    if source.source not in model.controlnets:
        model.controlnets[source.source] = _load(source, model)
    return model.controlnets[source.source]


def _load(source: ControlNetSource, model: Model) -> Any:
    """Load a ControlNet, downloading it if needed; raise BadRecipe if it cannot be had or does not fit."""
    name = short_repr(Path(source.source).name)
    folder = source.folder or _download(source, model)
    if folder is None:
        raise BadRecipe("controls", errors.CONTROLNET_NOT_HERE.format(net=name))
    check_compatible(source, dict(model.unet.config))
    try:
        return models.load_controlnet(
            folder, source.config["_class_name"], source.find_variant(folder) or "", model
        )
    except Exception as fault:
        log.exception("%s could not be loaded", source.source)
        sentence = errors.CONTROLNET_BROKEN.format(net=name, reason=first_line(fault))
        raise BadRecipe("controls", sentence) from fault


def _download(source: ControlNetSource, model: Model) -> Path | None:
    """Download a ControlNet from the hub, on a GPU preferably in half precision; return its folder."""
    if not weights.is_hub_id(source.source):
        return None
    choices = [HALF_PRECISION_FILES, FULL_PRECISION_FILES]
    if model.device.type == "cpu":
        choices.reverse()
    for patterns in choices:
        if weights.download(source.source, patterns) and source.folder:
            return source.folder
    return None

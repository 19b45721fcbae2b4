"""Load all that a run's controls need before the first stage: ControlNets, detectors and images."""

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

# File name patterns for downloading a ControlNet in float32, tried first on the CPU.
FULL_PRECISION_FILES = [
    CONFIG_FILE,
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model-*-of-*.safetensors",
]
# File name patterns for downloading a ControlNet in float16, tried first on a GPU.
HALF_PRECISION_FILES = [CONFIG_FILE, "diffusion_pytorch_model.fp16.safetensors"]
# A union ControlNet takes several kinds of control maps: its index (control type) for each kind of ControlNet.
UNION_INDICES = {
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
    """Load the ControlNet of each control, and the detectors that the controls need.

    Return (ControlNet, index of the control's kind) for each control. The index is None for a plain ControlNet; it is
    only needed for a union ControlNet. Raise BadRecipe if a ControlNet or a detector is not available.
    """
    sources = [controlnet_for(control, model.facts) for control in controls]
    for control in controls:
        if not control.given and MAP_KINDS[control.kind].detector_package:
            detectors.load_detector(control.kind)
    controlnets = [_load_once(source, model) for source in sources]
    return tuple(
        (controlnet, _union_index(control, controlnet))
        for control, controlnet in zip(controls, controlnets, strict=True)
    )


def _union_index(control: Control, controlnet: Any) -> int | None:
    """Return the index of a control's kind in a union ControlNet; None for a plain ControlNet.

    Raise BadRecipe if the union ControlNet does not take this kind.
    """
    count = getattr(controlnet.config, "num_control_type", None)
    if count is None:
        return None
    kind = MAP_KINDS[control.kind]
    index = UNION_INDICES.get(kind.controlnet_kind, count)
    if index >= count:
        known = ", ".join(name for name, number in UNION_INDICES.items() if number < count)
        raise BadRecipe(
            "controls",
            errors.CONTROL_KIND_UNSUPPORTED.format(
                model="The union ControlNet", kind=kind.title.lower(), known=known
            ),
        )
    return index


def build_conditioning(
    controls: tuple[Control, ...],
    controlnets: tuple[tuple[Any, int | None], ...],
    image_paths: tuple[Path, ...],
) -> Conditioning:
    """Return a run's conditioning.

    controlnets: what `load_controlnets` returned for the controls.
    image_paths: the image file of each control.
    """
    loaded = tuple(
        LoadedControl(control, controlnet, index, images.read(path))
        for control, (controlnet, index), path in zip(controls, controlnets, image_paths, strict=True)
    )
    return Conditioning(loaded, detectors.detect)


def _load_once(source: ControlNetSource, model: Model) -> Any:
    """Return a ControlNet, which is loaded only once for a model."""
    if source.source not in model.controlnets:
        model.controlnets[source.source] = _load(source, model)
    return model.controlnets[source.source]


def _load(source: ControlNetSource, model: Model) -> Any:
    """Return a loaded ControlNet, after downloading it if necessary.

    Raise BadRecipe if the ControlNet is not available or does not fit the model.
    """
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
    """Download a ControlNet from the hub and return its folder; None if that fails or it is not a hub id.

    If the model is on a GPU, files in half precision are tried first, else files in full precision.
    """
    if not weights.is_hub_id(source.source):
        return None
    choices = [HALF_PRECISION_FILES, FULL_PRECISION_FILES]
    if model.device.type == "cpu":
        choices.reverse()
    for patterns in choices:
        if weights.download(source.source, patterns) and source.folder:
            return source.folder
    return None

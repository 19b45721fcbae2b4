"""Getting all that a run's controls need before its work starts: ControlNets, detectors, pictures."""

import logging
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue import weights
from engine.control import detectors
from engine.control.conditioning import Followed, Steering
from engine.errors import BadRecipe, short_repr
from engine.network import models
from engine.network.model import Model
from engine.planning.controlnets import CONFIG, ControlNetSource, check_fits, controlnet_for
from engine.recipe import images
from engine.recipe.controls import KINDS, Control

log = logging.getLogger(__name__)

PLAIN = [CONFIG, "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model-*-of-*.safetensors"]
MODES = {
    "openpose": 0, "depth": 1, "softedge": 2, "canny": 3, "lineart": 3, "mlsd": 3, "normal": 4, "tile": 6,
}  # fmt: skip
"""Of ControlNet-Union, by what is followed."""
HALF = [CONFIG, "diffusion_pytorch_model.fp16.safetensors"]


def load_controlnets(controls: tuple[Control, ...], model: Model) -> tuple[tuple[Any, int | None], ...]:
    """The loaded ControlNet of each control, and its mode; BadRecipe for one that cannot be had."""
    found = [controlnet_for(control, model.facts) for control in controls]
    for control in controls:
        if not control.given and KINDS[control.kind].source:
            detectors.load_detector(control.kind)
    loaded = [_loaded(net, model) for net in found]
    return tuple((net, _mode(control, net)) for control, net in zip(controls, loaded, strict=True))


def _mode(control: Control, net: Any) -> int | None:
    """Which kind of map a union is told that it is given; None where a ControlNet knows only one."""
    count = getattr(net.config, "num_control_type", None)
    if count is None:
        return None
    kind = KINDS[control.kind]
    mode = MODES.get(kind.follows, count)
    if mode >= count:
        known = ", ".join(follows for follows, number in MODES.items() if number < count)
        said = {"model": "The union", "kind": kind.title.lower(), "known": known}
        raise BadRecipe("controls", errors.CONTROL_KIND_UNSUPPORTED.format(**said))
    return mode


def build_conditioning(
    controls: tuple[Control, ...], nets: tuple[tuple[Any, int | None], ...], pictures: tuple[Path, ...]
) -> Steering:
    """What a run with these controls follows."""
    followed = tuple(
        Followed(control, net, mode, images.read(path))
        for control, (net, mode), path in zip(controls, nets, pictures, strict=True)
    )
    return Steering(followed, detectors.detect)


def _loaded(net: ControlNetSource, model: Model) -> Any:
    if net.source not in model.nets:
        model.nets[net.source] = _read(net, model)
    return model.nets[net.source]


def _read(net: ControlNetSource, model: Model) -> Any:
    folder = net.folder or _fetched(net, model)
    if folder is None:
        raise BadRecipe("controls", errors.CONTROLNET_NOT_HERE.format(net=short_repr(Path(net.source).name)))
    check_fits(net, dict(model.unet.config))
    try:
        return models.read_net(folder, net.config["_class_name"], net.variant(folder) or "", model)
    except Exception as fault:
        log.exception("%s could not be loaded", net.source)
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:100]
        said = {"net": short_repr(Path(net.source).name), "reason": reason}
        raise BadRecipe("controls", errors.CONTROLNET_BROKEN.format(**said)) from fault


def _fetched(net: ControlNetSource, model: Model) -> Path | None:
    """From the hub, in half precision where that is enough and to be had."""
    for only in (HALF, PLAIN) if model.device.type != "cpu" else (PLAIN, HALF):
        if weights.is_hub_id(net.source) and weights.download(net.source, only) and net.folder:
            return net.folder
    return None

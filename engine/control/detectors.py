"""Maps that others' networks make: poses, learned edges, normals, depth. No torch until one is asked for.

A package or a file that is not here, or makes no sense, is told in a few words. Weights that come as pickles
are read for their numbers alone.
"""

import io
import logging
import threading
import time
import warnings
from collections.abc import Iterable
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import errors
from engine.catalogue import weights
from engine.control.detector_adapters import DepthDetector, Detector, PoseDetector, TiledDetector
from engine.errors import BadRecipe
from engine.recipe.controls import KINDS, TRANSFORMERS, Control

log = logging.getLogger(__name__)

Array = np.ndarray

PACKAGES = {"controlnet-aux": ("controlnet_aux", "torchvision"), TRANSFORMERS: ("transformers",)}
"""What is imported for the maps of each source, the first by name."""
RETRY_AFTER = 300.0
"""Seconds for which a detector that could not be had is told to be missing before it is worth another try."""


class DetectorSource(NamedTuple):
    """Where a detector comes from. files: its weights in the repository.

    name: its class in controlnet-aux, where that is taken as it is.
    cell: its network's sides are multiples of so many px. sizes: what it calls those it would resize to.
    """

    name: str
    files: tuple[str, ...]
    repository: str = "lllyasviel/Annotators"
    cell: int = 64
    sizes: tuple[str, ...] = ("detect_resolution", "image_resolution")


DETECTOR_SOURCES = {
    "openpose": DetectorSource("", ("body_pose_model.pth",)),
    "hed": DetectorSource("HEDdetector", ("ControlNetHED.pth",)),
    "pidi": DetectorSource("PidiNetDetector", ("table5_pidinet.pth",)),
    "teed": DetectorSource("TEEDdetector", ("5_model.pth",), "fal-ai/teed", sizes=("detect_resolution",)),
    "lineart_fine": DetectorSource("LineartDetector", ("sk_model.pth", "sk_model2.pth")),
    "lineart_anime": DetectorSource("LineartAnimeDetector", ("netG.pth",), cell=256),
    "mlsd": DetectorSource("MLSDdetector", ("mlsd_large_512_fp32.pth",)),
    "normal": DetectorSource("NormalBaeDetector", ("scannet.pt",)),
    "depth": DetectorSource("", ("config.json", "model.safetensors"), "depth-anything/Depth-Anything-V2-Small-hf"),
}


class DetectorMissing(Exception):
    """Why a detector cannot be had, in a few words."""


_turn = threading.RLock()
_ready: dict[str, Detector] = {}
_failed: dict[str, tuple[str, float]] = {}


def unavailable_reason(kind: str) -> str:
    """Why maps of this kind cannot be made here; empty if they can, as far as can be told at once.

    Nothing is imported and the network is not asked: weights that are not here count as there for the asking,
    until somebody asked for them in vain.
    """
    if kind in _ready:
        return ""
    reason, when = _failed.get(kind, ("", 0.0))
    if reason and time.monotonic() < when + RETRY_AFTER:
        return reason
    for package in PACKAGES[KINDS[kind].source]:
        if find_spec(package) is None:
            return errors.NOT_INSTALLED.format(package=package)
    return errors.DETECTOR_NOT_HERE if _is_offline() and not _cached(DETECTOR_SOURCES[kind]) else ""


def check_detectors(controls: Iterable[Control]) -> None:
    """Raise BadRecipe if a control's map must be made by a detector that cannot be had on this machine."""
    for control in controls:
        kind = KINDS[control.kind]
        if control.given or not kind.source:
            continue
        reason = unavailable_reason(control.kind)
        if reason:
            raise BadRecipe(
                "controls",
                errors.DETECTOR_MISSING.format(kind=kind.title, source=kind.source, reason=reason),
            )


def load_detector(kind: str) -> None:
    """Fetches and loads what makes maps of this kind, once; BadRecipe says why it cannot be had."""
    with _turn:
        if kind in _ready:
            return
        try:
            _ready[kind] = _loaded(kind)
        except DetectorMissing as fault:
            log.info("no maps of %s", kind, exc_info=True)
            _failed[kind] = str(fault), time.monotonic()
            said = {"kind": KINDS[kind].title, "source": KINDS[kind].source, "reason": fault}
            raise BadRecipe("controls", errors.DETECTOR_MISSING.format(**said)) from fault
        _failed.pop(kind, None)


def detect(kind: str, pixels: Array) -> Array:
    """The map of a picture, of the same size. Both are bytes (rows, cols, 3)."""
    with _turn:
        load_detector(kind)
        return _on_a_device(_ready[kind], pixels)


def _on_a_device(detector: Detector, pixels: Array) -> Array:
    """On the GPU, which it leaves again, for that is the model's; on the CPU where there is no room."""
    import torch

    from engine import hardware

    for device in ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",):
        try:
            detector.to(device)
            with torch.no_grad():
                return detector(pixels)
        except Exception as fault:
            if device == "cpu" or not hardware.is_memory(fault):
                raise
        finally:
            detector.to("cpu")
    raise AssertionError("there is a CPU")


def _loaded(kind: str) -> Detector:
    origin = DETECTOR_SOURCES[kind]
    with _hushed():
        package = _imported(PACKAGES[KINDS[kind].source][0])
        folder = _cached(origin) or _fetched(origin)
        from engine.network import models

        try:
            if kind == "depth":
                return DepthDetector(models.read_depth(folder))
            if kind == "openpose":
                return models.read_detector(PoseDetector, folder, origin.files[0])
            made = models.read_detector(getattr(package, origin.name), folder, origin.files[0])
            return TiledDetector(made, origin.cell, origin.sizes)
        except Exception as fault:
            raise DetectorMissing(errors.DETECTOR_BROKEN) from fault


@contextmanager
def _hushed() -> Any:
    """Without what others' packages say of themselves."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as fault:
        raise DetectorMissing(errors.NOT_INSTALLED.format(package=fault.name or package)) from fault
    except Exception as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:100]
        raise DetectorMissing(errors.NOT_IMPORTED.format(package=package, reason=reason)) from fault


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cached(origin: DetectorSource) -> Path | None:
    """The folder in which all of a detector's files lie."""
    found = [weights.find_in_hub_cache(origin.repository, name) for name in origin.files]
    return found[0].parent if all(found) else None


def _fetched(origin: DetectorSource) -> Path:
    weights.download(origin.repository, list(origin.files))
    if (folder := _cached(origin)) is None:
        raise DetectorMissing(errors.DETECTOR_NOT_HERE)
    return folder

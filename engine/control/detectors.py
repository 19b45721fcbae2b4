"""Make control maps that need a third-party detector network: poses, learned edges, normals and depth.

A detector is loaded when it is first needed, and so is torch. A missing package or file is reported in a few words.
Weights in pickles are read with weights_only, so that the pickles cannot run code.
"""

import io
import logging
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from engine import errors
from engine.catalogue import weights
from engine.control.detector_adapters import DepthDetector, Detector, PoseDetector, TiledDetector
from engine.errors import BadRecipe, first_line
from engine.recipe.controls import MAP_KINDS, TRANSFORMERS, Control

log = logging.getLogger(__name__)

Array = np.ndarray

# For each value of MapKind.detector_package: the Python packages that must be installed; the first one contains the
# detectors.
PACKAGES = {"controlnet-aux": ("controlnet_aux", "torchvision"), TRANSFORMERS: ("transformers",)}
# Seconds after a failure to load a detector before loading is tried again.
RETRY_AFTER = 300.0


class DetectorSource(NamedTuple):
    """Where a detector's files come from, and which class loads them."""

    # The name of the detector's class in controlnet-aux; empty if detector_adapters has a class for this kind.
    class_name: str
    # The files of the detector's weights in the repository; for a depth network also the config file.
    files: tuple[str, ...]
    # The hub id of the repository with the files.
    repository: str = "lllyasviel/Annotators"
    # The sides of the detector's input must be multiples of `cell` px.
    cell: int = 64
    # Names of the detector's parameters for the sizes to which it resizes picture and map.
    size_arguments: tuple[str, ...] = ("detect_resolution", "image_resolution")


# By kind of control map.
DETECTOR_SOURCES = {
    "openpose": DetectorSource("", ("body_pose_model.pth",)),
    "hed": DetectorSource("HEDdetector", ("ControlNetHED.pth",)),
    "pidi": DetectorSource("PidiNetDetector", ("table5_pidinet.pth",)),
    "teed": DetectorSource(
        "TEEDdetector", ("5_model.pth",), "fal-ai/teed", size_arguments=("detect_resolution",)
    ),
    "lineart_fine": DetectorSource("LineartDetector", ("sk_model.pth", "sk_model2.pth")),
    "lineart_anime": DetectorSource("LineartAnimeDetector", ("netG.pth",), cell=256),
    "mlsd": DetectorSource("MLSDdetector", ("mlsd_large_512_fp32.pth",)),
    "normal": DetectorSource("NormalBaeDetector", ("scannet.pt",)),
    "depth": DetectorSource(
        "", ("config.json", "model.safetensors"), "depth-anything/Depth-Anything-V2-Small-hf"
    ),
}


class DetectorMissing(Exception):
    """A detector is not available; the message says why in a few words."""


# Only one detector is loaded or used at a time. The lock is reentrant, because `detect` calls `load_detector`.
_lock = threading.RLock()
# Loaded detectors by kind of control map.
_loaded: dict[str, Detector] = {}
# For kinds whose detector could not be loaded: the reason, and the time of the failure (time.monotonic).
_failures: dict[str, tuple[str, float]] = {}


def unavailable_reason(kind: str) -> str:
    """Return why control maps of this kind cannot be made on this machine; "" if they probably can.

    Nothing is imported or downloaded. Weights that are not on this machine count as available until a download has
    failed, unless the hub is set to offline.
    """
    if kind in _loaded:
        return ""
    reason, failed_at = _failures.get(kind, ("", 0.0))
    if reason and time.monotonic() < failed_at + RETRY_AFTER:
        return reason
    for package in PACKAGES[MAP_KINDS[kind].detector_package]:
        if find_spec(package) is None:
            return errors.NOT_INSTALLED.format(package=package)
    if _is_offline() and not _find_folder(DETECTOR_SOURCES[kind]):
        return errors.DETECTOR_NOT_HERE
    return ""


def check_detectors(controls: Iterable[Control]) -> None:
    """Raise BadRecipe if a control needs a detector that is not available on this machine."""
    for control in controls:
        if control.given or not MAP_KINDS[control.kind].detector_package:
            continue
        reason = unavailable_reason(control.kind)
        if reason:
            raise _missing(control.kind, reason)


def _missing(kind: str, reason: str) -> BadRecipe:
    """Return the error that the detector for a kind of control map is not available."""
    title, source = MAP_KINDS[kind].title, MAP_KINDS[kind].detector_package
    return BadRecipe("controls", errors.DETECTOR_MISSING.format(kind=title, source=source, reason=reason))


def load_detector(kind: str) -> None:
    """Load the detector for a kind of control map if necessary; raise BadRecipe if it is not available."""
    with _lock:
        if kind in _loaded:
            return
        try:
            _loaded[kind] = _load(kind)
        except DetectorMissing as fault:
            log.info("no maps of %s", kind, exc_info=True)
            _failures[kind] = str(fault), time.monotonic()
            raise _missing(kind, str(fault)) from fault
        _failures.pop(kind, None)


def detect(kind: str, pixels: Array) -> Array:
    """Return the control map of a picture, with the same size. Both are 8-bit RGB (rows, cols, 3).

    kind: a kind of control map that needs a detector.
    """
    with _lock:
        load_detector(kind)
        return _run(_loaded[kind], pixels)


def _run(detector: Detector, pixels: Array) -> Array:
    """Return the map that a detector makes, on the GPU, or on the CPU if there is no GPU or its memory runs out.

    Afterwards the detector is moved back to the CPU, because the diffusion model needs the GPU's memory.
    """
    import torch

    from engine import hardware

    for device in ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",):
        try:
            detector.to(device)
            with torch.no_grad():
                return detector(pixels)
        except Exception as fault:
            if device == "cpu" or not hardware.is_out_of_memory(fault):
                raise
        finally:
            detector.to("cpu")
    raise AssertionError("there is a CPU")


def _load(kind: str) -> Detector:
    """Return a loaded detector, after downloading its weights if necessary; raise DetectorMissing if that fails."""
    source = DETECTOR_SOURCES[kind]
    with _silenced():
        package = _import(PACKAGES[MAP_KINDS[kind].detector_package][0])
        folder = _find_folder(source) or _download(source)
        from engine.network import models

        try:
            if kind == "depth":
                return DepthDetector(models.load_depth_network(folder))
            if kind == "openpose":
                return models.load_detector(PoseDetector, folder, source.files[0])
            detector = models.load_detector(getattr(package, source.class_name), folder, source.files[0])
            return TiledDetector(detector, source.cell, source.size_arguments)
        except Exception as fault:
            raise DetectorMissing(errors.DETECTOR_BROKEN) from fault


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress warnings and printed output inside a `with` block."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _import(package: str) -> ModuleType:
    """Import a package; raise DetectorMissing if it is not installed or fails to import."""
    try:
        return import_module(package)
    except ModuleNotFoundError as fault:
        raise DetectorMissing(errors.NOT_INSTALLED.format(package=fault.name or package)) from fault
    except Exception as fault:
        reason = first_line(fault)
        raise DetectorMissing(errors.NOT_IMPORTED.format(package=package, reason=reason)) from fault


def _is_offline() -> bool:
    """Return whether the hub is set to offline by the environment."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _find_folder(source: DetectorSource) -> Path | None:
    """Return the folder in the hub's cache with all files of a detector; None if a file is missing."""
    found = [weights.find_in_hub_cache(source.repository, name) for name in source.files]
    first = found[0]
    return first.parent if first and all(found) else None


def _download(source: DetectorSource) -> Path:
    """Download a detector's files and return their folder; raise DetectorMissing if that fails."""
    weights.download(source.repository, list(source.files))
    folder = _find_folder(source)
    if folder is None:
        raise DetectorMissing(errors.DETECTOR_NOT_HERE)
    return folder

"""Maps that others' networks make: poses, learned edges, normals, depth. No torch until one is asked for.

A package or a file that is not here, or makes no sense, is told in a few words. Weights that come as pickles are
read for their numbers alone.
"""

import io
import logging
import threading
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from engine import errors, weights
from engine.control import KINDS, TRANSFORMERS
from engine.errors import BadRecipe

log = logging.getLogger(__name__)

Array = np.ndarray

PACKAGES = {"controlnet-aux": ("controlnet_aux", "torchvision"), TRANSFORMERS: ("transformers",)}
"""What is imported for the maps of each source, the first by name."""
PATIENCE = 300.0
"""Seconds for which a detector that could not be had is told to be missing before it is worth another try."""
TILE = 2048
"""px a side that a detector is shown at once."""
POSE_SIDE = 512
"""px of the short side at which poses are looked for: the package's spreads and thresholds are for that."""
DEPTH_SHORT, DEPTH_SIDE = 518, 1036
"""px: the short side that depth networks are trained at, and the square that they are shown at most."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that depth networks are trained with."""


class Origin(NamedTuple):
    """Where a detector comes from. name: its class in controlnet-aux. files: its weights in the repository.

    cell: its network's sides are multiples of so many px. sizes: what it calls those it would resize to.
    """

    name: str
    files: tuple[str, ...]
    repository: str = "lllyasviel/Annotators"
    cell: int = 64
    sizes: tuple[str, ...] = ("detect_resolution", "image_resolution")


ORIGINS = {
    "openpose": Origin("OpenposeDetector", ("body_pose_model.pth",)),
    "hed": Origin("HEDdetector", ("ControlNetHED.pth",)),
    "pidi": Origin("PidiNetDetector", ("table5_pidinet.pth",)),
    "teed": Origin("TEEDdetector", ("5_model.pth",), "fal-ai/teed", sizes=("detect_resolution",)),
    "lineart_fine": Origin("LineartDetector", ("sk_model.pth", "sk_model2.pth")),
    "lineart_anime": Origin("LineartAnimeDetector", ("netG.pth",), cell=256),
    "mlsd": Origin("MLSDdetector", ("mlsd_large_512_fp32.pth",)),
    "normal": Origin("NormalBaeDetector", ("scannet.pt",)),
    "depth": Origin("", ("config.json", "model.safetensors"), "depth-anything/Depth-Anything-V2-Small-hf"),
}


class Detector(Protocol):
    """Makes the map of a picture, of the same size, on the device that it was put on last."""

    def to(self, device: str) -> Any: ...

    def __call__(self, pixels: Array) -> Array: ...


class Absent(Exception):
    """Why a detector cannot be had, in a few words."""


_turn = threading.RLock()
_ready: dict[str, Detector] = {}
_failed: dict[str, tuple[str, float]] = {}


def why_not(kind: str) -> str:
    """Why maps of this kind cannot be made here; empty if they can, as far as can be told at once.

    Nothing is imported and the network is not asked: weights that are not here count as there for the asking,
    until somebody asked for them in vain.
    """
    if kind in _ready:
        return ""
    reason, when = _failed.get(kind, ("", 0.0))
    if reason and time.monotonic() < when + PATIENCE:
        return reason
    for package in PACKAGES[KINDS[kind].source]:
        if find_spec(package) is None:
            return errors.NOT_INSTALLED.format(package=package)
    return errors.DETECTOR_NOT_HERE if _is_offline() and not _cached(ORIGINS[kind]) else ""


def prepare(kind: str) -> None:
    """Fetches and loads what makes maps of this kind, once; BadRecipe says why it cannot be had."""
    with _turn:
        if kind in _ready:
            return
        try:
            _ready[kind] = _loaded(kind)
        except Absent as fault:
            log.info("no maps of %s", kind, exc_info=True)
            _failed[kind] = str(fault), time.monotonic()
            said = {"kind": KINDS[kind].title, "source": KINDS[kind].source, "reason": fault}
            raise BadRecipe("controls", errors.DETECTOR_MISSING.format(**said)) from fault
        _failed.pop(kind, None)


def detect(kind: str, pixels: Array) -> Array:
    """The map of a picture, of the same size. Both are bytes (rows, cols, 3)."""
    with _turn:
        prepare(kind)
        return _on_a_device(_ready[kind], pixels)


def _on_a_device(detector: Detector, pixels: Array) -> Array:
    """On the GPU, which it leaves again, for that is the model's; on the CPU where there is none or no room."""
    import torch

    from engine import hardware

    for device in ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",):
        try:
            with torch.inference_mode():
                return detector.to(device)(pixels)
        except Exception as fault:
            if device == "cpu" or not hardware.is_memory(fault):
                raise
        finally:
            detector.to("cpu")
    raise AssertionError("there is a CPU")


def _loaded(kind: str) -> Detector:
    origin = ORIGINS[kind]
    with _hushed():
        package = _imported(PACKAGES[KINDS[kind].source][0])
        folder = _cached(origin) or _fetched(origin)
        from engine import models

        try:
            if kind == "depth":
                return Depth(models.read_depth(folder))
            if kind == "openpose":
                return models.read_detector(Pose, folder, origin.files[0])
            made = models.read_detector(getattr(package, origin.name), folder, origin.files[0])
            return Whole(made, origin)
        except Exception as fault:
            raise Absent(errors.DETECTOR_BROKEN) from fault


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
        raise Absent(errors.NOT_INSTALLED.format(package=fault.name or package)) from fault
    except Exception as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:100]
        raise Absent(errors.NOT_IMPORTED.format(package=package, reason=reason)) from fault


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cached(origin: Origin) -> Path | None:
    """The folder in which all of a detector's files lie."""
    found = [weights.cached(origin.repository, name) for name in origin.files]
    return found[0].parent if all(found) else None


def _fetched(origin: Origin) -> Path:
    weights.fetch(origin.repository, list(origin.files))
    if (folder := _cached(origin)) is None:
        raise Absent(errors.DETECTOR_NOT_HERE)
    return folder


class Whole:
    """A detector of controlnet-aux that sees every px as it is. Left alone it would shrink the picture, and
    enlarge what it found."""

    def __init__(self, made: Any, origin: Origin) -> None:
        self.made, self.origin = made, origin

    def to(self, device: str) -> "Whole":
        self.made.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        import torch

        from engine.tiles import blended

        cell = self.origin.cell
        whole = padded(pixels, cell)

        def tile(rows: slice, cols: slice) -> torch.Tensor:
            part = (slice(cell * span.start, cell * span.stop) for span in (rows, cols))
            return torch.from_numpy(self._drawn(whole[tuple(part)])).permute(2, 0, 1).float()

        cells = (whole.shape[0] // cell, whole.shape[1] // cell)
        strips = [strip for _, strip in blended(tile, cells, TILE // cell)]
        drawn = torch.cat(strips, 1).permute(1, 2, 0).round().byte().numpy()
        return np.ascontiguousarray(drawn[: pixels.shape[0], : pixels.shape[1]])

    def _drawn(self, pixels: Array) -> Array:
        same = dict.fromkeys(self.origin.sizes, min(pixels.shape[:2]))
        return self.made(np.ascontiguousarray(pixels), output_type="np", **same)


class Pose:
    """OpenPose without its networks for hands and faces. The figures are drawn at the picture's own size."""

    def __init__(self, body: Any) -> None:
        self.body = body

    @classmethod
    def from_pretrained(cls, folder: str, filename: str) -> "Pose":
        from controlnet_aux.open_pose import Body

        return cls(Body(str(Path(folder) / filename)))

    def to(self, device: str) -> "Pose":
        self.body.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        from controlnet_aux.open_pose import OpenposeDetector, draw_poses

        seen = _resized(pixels, POSE_SIDE / min(pixels.shape[:2]))
        poses = OpenposeDetector(self.body).detect_poses(seen)
        return draw_poses(poses, *pixels.shape[:2], draw_hand=False, draw_face=False)


class Depth:
    """How near things are, from 0 to 255. Nearness is a matter of the whole picture and changes slowly, so that
    a large one is seen smaller."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def to(self, device: str) -> "Depth":
        self.net.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        import torch

        rows, cols = pixels.shape[:2]
        seen = _resized(pixels, min(max(1.0, DEPTH_SHORT / min(rows, cols)), DEPTH_SIDE / sqrt(rows * cols)))
        whole = padded(seen, self.net.config.backbone_config.patch_size)
        given = torch.from_numpy((whole / 255 - MEAN) / DEVIATION).permute(2, 0, 1)[None]
        near = self.net(given.to(self.net.device, self.net.dtype)).predicted_depth[0].float().cpu().numpy()
        near = cv2.resize(
            near[: seen.shape[0], : seen.shape[1]], (cols, rows), interpolation=cv2.INTER_LINEAR
        )
        near = (near - near.min()) / max(near.max() - near.min(), 1e-6)
        return np.repeat((near * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def padded(pixels: Array, cell: int) -> Array:
    """The picture with its last row and column repeated until its sides are multiples of a cell."""
    down, across = (-length % cell for length in pixels.shape[:2])
    return np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="edge")


def _resized(pixels: Array, times: float) -> Array:
    if times == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * times)), max(1, round(pixels.shape[0] * times)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC)

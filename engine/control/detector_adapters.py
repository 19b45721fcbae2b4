"""Others' networks at work: how each is shown a picture, so that its map has the picture's own px. No torch
until one is there.

Pictures and maps are bytes (rows, cols, 3).
"""

from math import sqrt
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

Array = np.ndarray

TILE = 2048
"""px a side that a detector is shown at once."""
POSE_SIDE = 512
"""px of the short side at which poses are looked for: the package's spreads and thresholds are for that."""
DEPTH_SHORT, DEPTH_SIDE = 518, 1036
"""px: the short side that depth networks are trained at, and the square that they are shown at most."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that depth networks are trained with."""
REACH, FAINT = 4, 0.03
"""px of a small picture around each; steps of brightness, of 1, that count as texture rather than ends."""


class Detector(Protocol):
    """Makes the map of a picture, of the same size, on the device that it was put on last."""

    def to(self, device: str) -> Any: ...

    def __call__(self, pixels: Array) -> Array: ...


class TiledDetector:
    """A detector of controlnet-aux that sees every px as it is. Left alone it would shrink the picture, and
    enlarge what it found.

    cell: its network's sides are multiples of so many px. sizes: what it calls those it would resize to.
    """

    def __init__(self, made: Any, cell: int, sizes: tuple[str, ...]) -> None:
        self.made, self.cell, self.sizes = made, cell, sizes

    def to(self, device: str) -> "TiledDetector":
        self.made.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        import torch

        from engine.vae.tiling import blend_tiles

        cell = self.cell
        whole = pad_to_multiple(pixels, cell)

        def tile(rows: slice, cols: slice) -> torch.Tensor:
            part = (slice(cell * span.start, cell * span.stop) for span in (rows, cols))
            return torch.from_numpy(self._drawn(whole[tuple(part)])).permute(2, 0, 1).float()

        cells = (whole.shape[0] // cell, whole.shape[1] // cell)
        strips = [strip for _, strip in blend_tiles(tile, cells, TILE // cell)]
        drawn = torch.cat(strips, 1).permute(1, 2, 0).round().byte().numpy()
        return np.ascontiguousarray(drawn[: pixels.shape[0], : pixels.shape[1]])

    def _drawn(self, pixels: Array) -> Array:
        same = dict.fromkeys(self.sizes, min(pixels.shape[:2]))
        return self.made(np.ascontiguousarray(pixels), output_type="np", **same)


class PoseDetector:
    """OpenPose without its networks for hands and faces. The figures are drawn at the picture's own size."""

    def __init__(self, body: Any) -> None:
        self.body = body

    @classmethod
    def from_pretrained(cls, folder: str, filename: str) -> "PoseDetector":
        from controlnet_aux.open_pose import Body

        return cls(Body(str(Path(folder) / filename)))

    def to(self, device: str) -> "PoseDetector":
        self.body.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        from controlnet_aux.open_pose import OpenposeDetector, draw_poses

        seen = _resized(pixels, POSE_SIDE / min(pixels.shape[:2]))
        poses = OpenposeDetector(self.body).detect_poses(seen)
        return draw_poses(poses, *pixels.shape[:2], draw_hand=False, draw_face=False)


class DepthDetector:
    """How near things are, from 0 to 255. Nearness is a matter of the whole picture, so a large one is seen
    smaller; where it ends is taken from the large one."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def to(self, device: str) -> "DepthDetector":
        self.net.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        import torch

        rows, cols = pixels.shape[:2]
        seen = _resized(pixels, min(max(1.0, DEPTH_SHORT / min(rows, cols)), DEPTH_SIDE / sqrt(rows * cols)))
        whole = pad_to_multiple(seen, self.net.config.backbone_config.patch_size)
        given = torch.from_numpy((whole / 255 - MEAN) / DEVIATION).permute(2, 0, 1)[None]
        near = self.net(given.to(self.net.device, self.net.dtype)).predicted_depth[0].float().cpu().numpy()
        near = upsample_guided(near[: seen.shape[0], : seen.shape[1]], seen, pixels)
        near = (near - near.min()) / max(near.max() - near.min(), 1e-6)
        return np.repeat((near * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def upsample_guided(levels: Array, seen: Array, pixels: Array) -> Array:
    """Levels of the small picture `seen` at the size of the large one, near every px a linear function of its
    brightness: levels = a grey + b by least squares in the small one, so that they step where it steps."""
    if seen.shape == pixels.shape:
        return levels
    dark, bright = (
        cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 for each in (seen, pixels)
    )

    def mean(field: Array) -> Array:
        return cv2.blur(field, (2 * REACH + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    levels = levels.astype(np.float32)
    grey, level = mean(dark), mean(levels)
    slope = (mean(dark * levels) - grey * level) / (mean(dark * dark) - grey**2 + FAINT**2)
    offset = level - slope * grey
    size = bright.shape[::-1]
    slope, offset = (
        cv2.resize(mean(field), size, interpolation=cv2.INTER_LINEAR) for field in (slope, offset)
    )
    return slope * bright + offset


def pad_to_multiple(pixels: Array, cell: int) -> Array:
    """The picture with its last row and column repeated until its sides are multiples of a cell."""
    down, across = (-length % cell for length in pixels.shape[:2])
    return np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="edge")


def _resized(pixels: Array, times: float) -> Array:
    if times == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * times)), max(1, round(pixels.shape[0] * times)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC)

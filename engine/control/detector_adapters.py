"""Adapters that give third-party detector networks one interface and make maps of the picture's full size.

Pictures and maps are arrays of 8-bit RGB (rows, cols, 3). torch is imported only when a map is made.
"""

from math import sqrt
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

Array = np.ndarray

# The longest side in px of a tile that a detector processes at once.
TILE_SIDE = 2048
# The shorter side in px of the picture in which poses are detected; controlnet-aux's thresholds are made for it.
POSE_SIDE = 512
# The shorter side in px of the pictures that depth networks are trained on, and the side of the largest square that
# they process here.
DEPTH_SHORT_SIDE = 518
DEPTH_LARGEST_SIDE = 1036
# Mean and standard deviation (RGB, from 0 to 1) of the pictures that depth networks are trained on.
DEPTH_MEAN = (0.485, 0.456, 0.406)
DEPTH_DEVIATION = (0.229, 0.224, 0.225)
# Parameters of the guided filter that enlarges depth maps: its radius in px of the small picture, and the standard
# deviation of brightness (0 to 1) up to which a neighbourhood counts as texture, not as an edge.
GUIDE_RADIUS = 4
GUIDE_TEXTURE = 0.03


class Detector(Protocol):
    """A network that makes the control map of a picture, with the size of the picture."""

    def to(self, device: str) -> Any:
        """Move the network to a device."""
        ...

    def __call__(self, pixels: Array) -> Array:
        """Return the map of a picture."""
        ...


class TiledDetector:
    """A detector of controlnet-aux that processes a picture at its own size, in tiles.

    controlnet-aux would reduce the picture and enlarge the map.
    """

    def __init__(self, detector: Any, cell: int, size_arguments: tuple[str, ...]) -> None:
        """Wrap a detector.

        detector: the detector of controlnet-aux.
        cell: the sides of the detector's input must be multiples of `cell` px.
        size_arguments: names of the detector's parameters for the sizes to which it resizes picture and map.
        """
        self.detector = detector
        self.cell = cell
        self.size_arguments = size_arguments

    def to(self, device: str) -> "TiledDetector":
        """Move the network to a device."""
        self.detector.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        """Return the map of a picture."""
        import torch

        from engine.vae.tiling import blend_tiles

        cell = self.cell
        padded = pad_to_multiple(pixels, cell)

        def process_tile(rows: slice, cols: slice) -> torch.Tensor:
            tile = padded[cell * rows.start : cell * rows.stop, cell * cols.start : cell * cols.stop]
            return torch.from_numpy(self._detect(tile)).permute(2, 0, 1).float()

        cells = (padded.shape[0] // cell, padded.shape[1] // cell)
        strips = [strip for _, strip in blend_tiles(process_tile, cells, TILE_SIDE // cell)]
        full_map = torch.cat(strips, 1).permute(1, 2, 0).round().byte().numpy()
        return np.ascontiguousarray(full_map[: pixels.shape[0], : pixels.shape[1]])

    def _detect(self, pixels: Array) -> Array:
        """Return the map of a tile. The target sizes are the tile's own size, so that nothing is resized."""
        sizes = dict.fromkeys(self.size_arguments, min(pixels.shape[:2]))
        return self.detector(np.ascontiguousarray(pixels), output_type="np", **sizes)


class PoseDetector:
    """OpenPose for bodies only: poses are detected in a small copy of the picture and drawn at the full size."""

    def __init__(self, body: Any) -> None:
        """Wrap a network. body: controlnet-aux's network that detects bodies."""
        self.body = body

    @classmethod
    def from_pretrained(cls, folder: str, filename: str) -> "PoseDetector":
        """Load the network from a file in a folder."""
        from controlnet_aux.open_pose import Body

        return cls(Body(str(Path(folder) / filename)))

    def to(self, device: str) -> "PoseDetector":
        """Move the network to a device."""
        self.body.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        """Return the map of a picture: figures on black."""
        from controlnet_aux.open_pose import OpenposeDetector, draw_poses

        small = _resize(pixels, POSE_SIDE / min(pixels.shape[:2]))
        poses = OpenposeDetector(self.body).detect_poses(small)
        return draw_poses(poses, *pixels.shape[:2], draw_hand=False, draw_face=False)


class DepthDetector:
    """A depth network that makes maps from 0 (far) to 255 (near).

    Depth depends on the whole picture, so a large picture is reduced instead of cut into tiles. The map is then
    enlarged along the edges of the large picture.
    """

    def __init__(self, network: Any) -> None:
        """Wrap a network. network: a depth network of the library transformers."""
        self.network = network

    def to(self, device: str) -> "DepthDetector":
        """Move the network to a device."""
        self.network.to(device)
        return self

    def __call__(self, pixels: Array) -> Array:
        """Return the map of a picture."""
        import torch

        rows, cols = pixels.shape[:2]
        enlargement = max(1.0, DEPTH_SHORT_SIDE / min(rows, cols))
        resized = _resize(pixels, min(enlargement, DEPTH_LARGEST_SIDE / sqrt(rows * cols)))
        padded = pad_to_multiple(resized, self.network.config.backbone_config.patch_size)
        values = torch.from_numpy((padded / 255 - DEPTH_MEAN) / DEPTH_DEVIATION).permute(2, 0, 1)[None]
        output = self.network(values.to(self.network.device, self.network.dtype))
        nearness = output.predicted_depth[0].float().cpu().numpy()
        nearness = upsample_guided(nearness[: resized.shape[0], : resized.shape[1]], resized, pixels)
        nearness = (nearness - nearness.min()) / max(nearness.max() - nearness.min(), 1e-6)
        return np.repeat((nearness * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def upsample_guided(values: Array, small: Array, large: Array) -> Array:
    """Return a map enlarged from the size of `small` to the size of `large`, with edges where `large` has edges.

    This is a guided filter. Around each px the map is a linear function of the picture's brightness,
    values = slope grey + offset, fitted to the small picture by least squares and applied to the large picture.

    values: the map (rows, cols) of the small picture.
    small, large: the same picture at two sizes.
    """
    if small.shape == large.shape:
        return values
    small_grey, large_grey = (
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 for picture in (small, large)
    )

    def mean(field: Array) -> Array:
        return cv2.blur(field, (2 * GUIDE_RADIUS + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    def enlarge(field: Array) -> Array:
        return cv2.resize(field, large_grey.shape[::-1], interpolation=cv2.INTER_LINEAR)

    values = values.astype(np.float32)
    mean_grey, mean_value = mean(small_grey), mean(values)
    covariance = mean(small_grey * values) - mean_grey * mean_value
    variance = mean(small_grey * small_grey) - mean_grey**2
    slope = covariance / (variance + GUIDE_TEXTURE**2)
    offset = mean_value - slope * mean_grey
    return enlarge(mean(slope)) * large_grey + enlarge(mean(offset))


def pad_to_multiple(pixels: Array, cell: int) -> Array:
    """Return a picture whose sides are multiples of `cell` px, padded by repeating its last row and column."""
    down, right = (-length % cell for length in pixels.shape[:2])
    return np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")


def _resize(pixels: Array, factor: float) -> Array:
    """Return a picture with both sides resized by a factor."""
    if factor == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)

"""Measures what the VAE keeps: colours, detail, stars, and how well resized and dilated latents decode."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from lab.measure.tables import Row, table
from lab.training.vae import shifted_crop, slopes
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, make_scene, render

SQUARE = (NATIVE_SIDE, NATIVE_SIDE)
LARGE = (4 * NATIVE_SIDE, 4 * NATIVE_SIDE)
# Number of held-out scenes to measure.
SCENES = 96
FIGURE_SCENES = (
    Scene("house", "red", "grass", "day", size=0.65),
    Scene("tree", "green", "water", "noon", size=0.65),
)
# A star is lighter than its surroundings by this many levels of 255.
STAR_CONTRAST = 40
# Area of the largest star in px; the moon and lit windows are larger.
MAX_STAR_PX = 40


def to_pixels(picture: Array) -> Tensor:
    """Convert a picture in bytes to pixels (1, 3, rows, cols) between -1 and 1."""
    return torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def psnr(made: Tensor, true: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB, of pixels between -1 and 1."""
    return float(-10 * torch.log10(((made.clamp(-1, 1) - true) / 2).square().mean()))


def slope_energy(pixels: Tensor) -> float:
    """Return the sum of the squared differences of neighbouring pixels."""
    return float(sum(slope.square().sum() for slope in slopes(pixels)))


class EvaluatedVae:
    """The trained VAE of a pipeline folder."""

    def __init__(self, folder: Path) -> None:
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae").float().eval()

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels).latents

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents).sample.clamp(-1, 1)

    def reconstruct(self, pixels: Tensor) -> Tensor:
        """Encode and decode pixels."""
        return self.decode(self.encode(pixels))


def measure(folder: Path) -> str:
    """Return tables of all that is measured of the VAE."""
    vae, scenes = EvaluatedVae(folder), held_out_scenes(SCENES)
    rows, ratios = [], {}
    for name, pictures in (("256 px", list(_whole_pictures(scenes))), ("4x crops", list(_crops(scenes)))):
        made = [vae.reconstruct(pixels) for pixels in pictures]
        levels = [psnr(a, b) for a, b in zip(made, pictures, strict=True)]
        energies = [(slope_energy(a), slope_energy(b)) for a, b in zip(made, pictures, strict=True)]
        ratios[name] = energies
        kept = sum(a for a, _ in energies) / sum(b for _, b in energies)
        rows += [Row(f"PSNR, {name}", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}")]
        rows += [Row(f"slope energy kept, {name}", f"{kept:.0%}", "")]
    rows += [_star_row(vae), _enlarged_row(vae, scenes[:24]), *_dilated_rows(vae, scenes[:12])]
    return table(rows) + "\n\n" + _energy_table(scenes, ratios)


def figure(folder: Path) -> Image.Image:
    """Show parts of two 1024 px scenes at 1:1, true ones at the left and reconstructed ones at the right."""
    vae, rows = EvaluatedVae(folder), []
    for one in FIGURE_SCENES:
        pixels = to_pixels(render(one, LARGE))
        both = [
            ((x[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
            for x in (pixels, vae.reconstruct(pixels))
        ]
        rows.append(np.concatenate([picture[300:812, 256:768] for picture in both], 1))
    return Image.fromarray(np.concatenate(rows, 0))


def _whole_pictures(scenes: list[Scene]) -> Iterator[Tensor]:
    """Return the pixels of each scene at native size."""
    return (to_pixels(render(one, SQUARE)) for one in scenes)


def _crops(scenes: list[Scene]) -> Iterator[Tensor]:
    """Yield a native square of each scene at four times the size, from near the middle."""
    draw = np.random.RandomState(0)
    for one in scenes:
        top, left = (int(draw.randint(1, 3) * NATIVE_SIDE + draw.randint(-96, 96)) for _ in range(2))
        yield to_pixels(render(one, LARGE, (top, left, NATIVE_SIDE, NATIVE_SIDE)))


def _energy_table(scenes: list[Scene], ratios: dict[str, list[tuple[float, float]]]) -> str:
    """Return a table of the slope energy that is kept, by subject, ground and sky."""
    rows = []
    for field in ("subject", "ground", "sky"):
        for name in sorted({getattr(one, field) for one in scenes}):
            kept = []
            for energies in ratios.values():
                mine = [
                    pair for one, pair in zip(scenes, energies, strict=True) if getattr(one, field) == name
                ]
                kept.append(f"{sum(a for a, _ in mine) / sum(b for _, b in mine):.0%}")
            rows.append(Row(name, *kept))
    return table(rows, ("slope energy kept", *ratios))


def _star_row(vae: EvaluatedVae) -> Row:
    """Return a row with the share of stars in night skies that are found in the reconstruction."""
    found = total = 0
    for seed in range(24):
        pixels = to_pixels(render(replace(make_scene(seed), sky="night", horizon=-0.4), SQUARE))
        kept, count = count_stars(pixels, vae.reconstruct(pixels))
        found, total = found + kept, total + count
    return Row("stars still found", f"{found / total:.0%}", f"of {total}")


def count_stars(true: Tensor, made: Tensor) -> tuple[int, int]:
    """Return how many of the true picture's stars are in the made one, and how many there are."""
    before, after = (_excess_brightness(p[..., : NATIVE_SIDE // 3, :]) for p in (true, made))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((before > STAR_CONTRAST).astype(np.uint8))
    points = [k for k in range(1, count) if statistics[k, cv2.CC_STAT_AREA] <= MAX_STAR_PX]
    return sum(bool((after[labels == k] > STAR_CONTRAST / 2).any()) for k in points), len(points)


def _excess_brightness(pixels: Tensor) -> Array:
    """Return by how many levels of 255 each pixel is lighter than the median of four pixels around it."""
    grey = (pixels[0].mean(0) + 1).numpy() * 127.5
    wide = np.stack([np.roll(grey, shift, axis) for shift in (-6, 6) for axis in (0, 1)])
    return grey - np.median(wide, 0)


def _enlarged_row(vae: EvaluatedVae, scenes: list[Scene]) -> Row:
    """Return a row that compares the decoded, bicubically doubled latent with the doubled picture."""
    levels = []
    for pixels in _whole_pictures(scenes):
        large = interpolate(vae.encode(pixels), scale_factor=2, mode="bicubic")
        truth = interpolate(pixels, scale_factor=2, mode="bicubic").clamp(-1, 1)
        levels.append(psnr(vae.decode(large), truth))
    return Row("latent enlarged twice", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}")


def _dilated_rows(vae: EvaluatedVae, scenes: list[Scene]) -> list[Row]:
    """Return rows that compare dilated views of a 1024 px latent with the 256 px picture that they show."""
    levels, native, dilated, s = [], [], [], 4
    for one in scenes:
        large = to_pixels(render(one, LARGE))
        latent = vae.encode(large)
        native.append(vae.encode(to_pixels(render(one, SQUARE))))
        for h, w in ((0, 0), (1, 2), (3, 3)):
            view = latent[..., h::s, w::s]
            shifted = shifted_crop(large, 8 * h - 4 * (s - 1), 8 * w - 4 * (s - 1), list(LARGE))
            truth = interpolate(shifted, SQUARE, mode="area")
            levels.append(psnr(vae.decode(view), truth))
            dilated.append(view)
    mean, deviation = _mean_and_deviation(native)
    dilated_mean, dilated_deviation = _mean_and_deviation(dilated)
    moved = ((dilated_mean - mean).abs() / deviation).max()
    spread = (dilated_deviation / deviation - 1).abs().max()
    return [
        Row("lattice of a 1024 px latent", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}"),
        Row("its channels' deviation, farthest", f"{spread:.0%}", f"mean moved by {moved:.0%} of it"),
    ]


def _mean_and_deviation(latents: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel over all latents."""
    together = torch.cat(latents)
    return together.mean((0, 2, 3)), together.std((0, 2, 3))

"""What the VAE keeps: levels, detail, stars, and whether its latents may be resized and thinned."""

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
from lab.training.vae import shifted, slopes
from lab.world.lessons import NATIVE
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out, render, scene

SQUARE = (NATIVE, NATIVE)
LARGE = (4 * NATIVE, 4 * NATIVE)
SCENES = 96
SHOWN = (Scene("house", "red", "grass", "day", size=0.65), Scene("tree", "green", "water", "noon", size=0.65))
BRIGHT = 40
"""A star outshines its surroundings by this many levels."""
POINT = 40
"""px of a star, at most; the moon and lit windows are larger."""


def unseen(number: int) -> list[Scene]:
    """Scenes whose combination is never taught."""
    return [one for one in map(scene, range(30 * number)) if held_out(one)][:number]


def pixels_of(picture: Array) -> Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def psnr(made: Tensor, true: Tensor) -> float:
    """Of pixels between -1 and 1, in dB."""
    return float(-10 * torch.log10(((made.clamp(-1, 1) - true) / 2).square().mean()))


def energy(pixels: Tensor) -> float:
    return float(sum(slope.square().sum() for slope in slopes(pixels)))


class Tried:
    """A VAE and what it makes of pictures."""

    def __init__(self, folder: Path) -> None:
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae").float().eval()

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels).latents

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents).sample.clamp(-1, 1)

    def again(self, pixels: Tensor) -> Tensor:
        return self.decode(self.encode(pixels))


def measure(folder: Path) -> str:
    """All bars of the VAE as text."""
    vae, scenes = Tried(folder), unseen(SCENES)
    rows, ratios = [], {}
    for name, pictures in (("256 px", list(_whole(scenes))), ("4x crops", list(_crops(scenes)))):
        made = [vae.again(pixels) for pixels in pictures]
        levels = [psnr(a, b) for a, b in zip(made, pictures, strict=True)]
        energies = [(energy(a), energy(b)) for a, b in zip(made, pictures, strict=True)]
        ratios[name] = energies
        kept = sum(a for a, _ in energies) / sum(b for _, b in energies)
        rows += [Row(f"PSNR, {name}", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}")]
        rows += [Row(f"slope energy kept, {name}", f"{kept:.0%}", "")]
    rows += [_stars(vae), _enlarged(vae, scenes[:24]), *_thinned(vae, scenes[:12])]
    return table(rows) + "\n\n" + _kept_by(scenes, ratios)


def figure(folder: Path) -> Image.Image:
    """Parts of two 1024 px scenes at 1:1, true ones beside rebuilt ones."""
    vae, rows = Tried(folder), []
    for one in SHOWN:
        pixels = pixels_of(render(one, LARGE))
        both = [
            ((x[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy() for x in (pixels, vae.again(pixels))
        ]
        rows.append(np.concatenate([picture[300:812, 256:768] for picture in both], 1))
    return Image.fromarray(np.concatenate(rows, 0))


def _whole(scenes: list[Scene]) -> Iterator[Tensor]:
    return (pixels_of(render(one, SQUARE)) for one in scenes)


def _crops(scenes: list[Scene]) -> Iterator[Tensor]:
    """A native square of each scene at four times the size, where its subject is."""
    draw = np.random.RandomState(0)
    for one in scenes:
        top, left = (int(draw.randint(1, 3) * NATIVE + draw.randint(-96, 96)) for _ in range(2))
        yield pixels_of(render(one, LARGE, (top, left, NATIVE, NATIVE)))


def _kept_by(scenes: list[Scene], ratios: dict[str, list[tuple[float, float]]]) -> str:
    """Slope energy kept, by subject, ground and sky."""
    rows = []
    for of in ("subject", "ground", "sky"):
        for name in sorted({getattr(one, of) for one in scenes}):
            kept = []
            for energies in ratios.values():
                mine = [pair for one, pair in zip(scenes, energies, strict=True) if getattr(one, of) == name]
                kept.append(f"{sum(a for a, _ in mine) / sum(b for _, b in mine):.0%}")
            rows.append(Row(name, *kept))
    return table(rows, ("slope energy kept", *ratios))


def _stars(vae: Tried) -> Row:
    """Points of light in the upper part of night skies that are still points of light."""
    found = asked = 0
    for seed in range(24):
        pixels = pixels_of(render(replace(scene(seed), sky="night", horizon=-0.4), SQUARE))
        seen, known = stars(pixels, vae.again(pixels))
        found, asked = found + seen, asked + known
    return Row("stars still found", f"{found / asked:.0%}", f"of {asked}")


def stars(true: Tensor, made: Tensor) -> tuple[int, int]:
    """How many of the true picture's stars are in the made one, and how many there are."""
    before, after = (_outshines(p[..., : NATIVE // 3, :]) for p in (true, made))
    count, labels, about, _ = cv2.connectedComponentsWithStats((before > BRIGHT).astype(np.uint8))
    points = [k for k in range(1, count) if about[k, cv2.CC_STAT_AREA] <= POINT]
    return sum(bool((after[labels == k] > BRIGHT / 2).any()) for k in points), len(points)


def _outshines(pixels: Tensor) -> Array:
    """By how many levels a pixel is lighter than the median of a ring around it."""
    grey = (pixels[0].mean(0) + 1).numpy() * 127.5
    wide = np.stack([np.roll(grey, shift, axis) for shift in (-6, 6) for axis in (0, 1)])
    return grey - np.median(wide, 0)


def _enlarged(vae: Tried, scenes: list[Scene]) -> Row:
    """decode(bicubic 2x of the latent) against the bicubic 2x picture."""
    levels = []
    for pixels in _whole(scenes):
        large = interpolate(vae.encode(pixels), scale_factor=2, mode="bicubic")
        truth = interpolate(pixels, scale_factor=2, mode="bicubic").clamp(-1, 1)
        levels.append(psnr(vae.decode(large), truth))
    return Row("latent enlarged twice", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}")


def _thinned(vae: Tried, scenes: list[Scene]) -> list[Row]:
    """The lattice's views of a 1024 px latent against the 256 px picture that they stand for."""
    levels, native, thin, s = [], [], [], 4
    for one in scenes:
        large = pixels_of(render(one, LARGE))
        latent = vae.encode(large)
        native.append(vae.encode(pixels_of(render(one, SQUARE))))
        for h, w in ((0, 0), (1, 2), (3, 3)):
            part = latent[..., h::s, w::s]
            seen = shifted(large, 8 * h - 4 * (s - 1), 8 * w - 4 * (s - 1), list(LARGE))
            truth = interpolate(seen, SQUARE, mode="area")
            levels.append(psnr(vae.decode(part), truth))
            thin.append(part)
    mean, deviation = _tone(native)
    thin_mean, thin_deviation = _tone(thin)
    moved = ((thin_mean - mean).abs() / deviation).max()
    spread = (thin_deviation / deviation - 1).abs().max()
    return [
        Row("lattice of a 1024 px latent", f"{np.mean(levels):.1f} dB", f"lowest {min(levels):.1f}"),
        Row("its channels' deviation, farthest", f"{spread:.0%}", f"mean moved by {moved:.0%} of it"),
    ]


def _tone(latents: list[Tensor]) -> tuple[Tensor, Tensor]:
    together = torch.cat(latents)
    return together.mean((0, 2, 3)), together.std((0, 2, 3))

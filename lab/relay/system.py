"""Relay Diffusion's two stages together: their files, their settings, and drawing with them."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate

from engine.formulas.noise import keyed_normal
from engine.paths import ASSETS
from lab.relay.edm import denoised, levels, sample_edm
from lab.relay.networks import Network, Shape
from lab.relay.second_stage import sample
from lab.relay.words import NO_WORD
from lab.world.paint import Array

FOLDER = ASSETS / "relay"
# The stages' names, also of their files.
FIRST_STAGE, SECOND_STAGE = "first-stage", "second-stage"
# Side in px of the first stage's pictures, and how many times larger the second stage's are.
SMALL_SIDE, TIMES = 64, 4
# The published settings of the second stage: share of block noise, share of new noise in each step, and the blur's
# length and deviation at its end.
SHARE, FRESH, LENGTH, TOP = 0.15, 0.2, 0.93, 3.0
# The second stage begins at the highest of its noise levels below CUT.
LEAST, MOST, RHO, CUT = 0.008, 80.0, 7.0, 0.9
# Noise levels of the whole schedule: of the first stage, and of the second stage before its cut.
FIRST_LEVELS, SECOND_LEVELS = 18, 28
FIRST_LEAST, FIRST_CHURN, GUIDANCE = 0.002, 0.0, 3.0

# A stage's network, in the precision that it shall compute in.
Predict = Callable[..., Tensor]
# Receives the noisy and the denoised picture at an evaluation.
Keep = Callable[[Tensor, Tensor], None]


def _keep_nothing(noisy: Tensor, clean: Tensor) -> None:
    """Keep nothing: the default of `enlarge`."""


def write_network(network: Network, folder: Path, stage: str) -> None:
    """Write a stage's network as float16, with its shape beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / f"{stage}.safetensors")
    (folder / f"{stage}.json").write_text(json.dumps(asdict(network.shape), indent=2) + "\n")


def load_network(folder: Path, stage: str) -> Network:
    """Load a stage's network, ready for inference in float32."""
    stored = json.loads((folder / f"{stage}.json").read_text())
    lists = {field.name: stored[field.name] for field in fields(Shape)}
    shape = Shape(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in lists.items()}
    )
    network = Network(shape)
    weights = load_file(folder / f"{stage}.safetensors")
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _noise(shape: tuple[int, ...], *key: int | str) -> Tensor:
    """Return noise that is a function of its shape and key alone."""
    return torch.from_numpy(keyed_normal(shape, *key))


@torch.inference_mode()
def draw_small(
    network: Predict,
    words: Tensor,
    seed: int = 0,
    guidance: float = GUIDANCE,
    level_count: int = FIRST_LEVELS,
) -> Tensor:
    """Return the first stage's pictures (N, 3, 64, 64) of words (N, 4), see lab/relay/words.py.

    guidance: its scale. level_count: number of noise levels.
    """
    shape = (len(words), 3, SMALL_SIDE, SMALL_SIDE)
    both = torch.cat([words, torch.full_like(words, NO_WORD)])

    def denoise(x: Tensor, level: float) -> Tensor:
        x = torch.cat([x, x])
        conditional, unconditional = denoised(
            lambda y, c: network(y, c, both), x, torch.full((len(x),), level)
        ).chunk(2)
        return guidance * conditional - (guidance - 1) * unconditional

    falling = levels(level_count, FIRST_LEAST, MOST, RHO).tolist()
    first = _noise(shape, seed, "first stage", "first")
    return sample_edm(
        denoise, first, lambda k: _noise(shape, seed, "first stage", k), falling, FIRST_CHURN
    ).clamp(-1, 1)


@torch.inference_mode()
def enlarge(
    network: Predict,
    small: Tensor,
    seed: int = 0,
    level_count: int = SECOND_LEVELS,
    keep: Keep = _keep_nothing,
) -> Tensor:
    """Return the second stage's pictures (N, 3, rows, cols), four times larger than the small ones.

    level_count: number of noise levels of the whole schedule; about a third of them lie below the cut.
    keep: receives the noisy and the denoised picture at every evaluation of the network.
    """
    start = interpolate(small, scale_factor=TIMES)
    shape = (2, *start.shape)

    def denoise(x: Tensor, level: float) -> Tensor:
        clean = denoised(network, x, torch.full((len(x),), level))
        keep(x, clean)
        return clean

    def draw(kind: str, k: int) -> Tensor:
        return _noise(shape, seed, "second stage", kind, k)

    falling = levels(level_count, LEAST, MOST, RHO, CUT)
    settings = (TIMES, SHARE, FRESH, LENGTH, TOP)
    return sample(denoise, start, draw, falling, *settings, published=False).clamp(-1, 1)


def to_pixels(pictures: Array) -> Tensor:
    """Convert pictures in bytes (N, rows, cols, 3) to pixels (N, 3, rows, cols) between -1 and 1."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(pixels: Tensor) -> Array:
    """Convert pixels (N, 3, rows, cols) between -1 and 1 to pictures in bytes (N, rows, cols, 3)."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()

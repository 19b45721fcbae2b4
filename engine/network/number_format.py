"""Find the number format in which this machine's CPU computes a network fastest."""

import json
import logging
import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import torch
from torch import Tensor, nn

from engine.hardware import processor_name

log = logging.getLogger(__name__)

# Seconds of the comparison, and how much faster bfloat16 has to be.
COMPARISON_SECONDS, NEEDED_RATIO = 0.5, 1.25
# Channels, side in cells and number of the latents in the comparison: about those of a level of a network.
CHANNELS, SIDE, BATCH = 192, 32, 4


@cache
def fastest_cpu_dtype() -> torch.dtype:
    """Return bfloat16 if this machine's CPU computes it clearly faster than float32; else float32.

    A CPU without instructions for bfloat16 only imitates it, ten times slower. Others are compared once; the result
    is stored for the processor, so that neither another process nor a busy hour changes a model's number format.
    """
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.float32
    file = _results_file()
    stored = _read_results(file)
    name = processor_name()
    if name not in stored:
        ratio = compare_speed(torch.float32, torch.bfloat16)
        log.info("bfloat16 is %.1f times as fast as float32 on this CPU", ratio)
        # A process that compared at the same time may have stored its result meanwhile: the first one holds.
        stored = {name: ratio} | _read_results(file)
        _write_results(file, stored)
    return torch.bfloat16 if stored[name] >= NEEDED_RATIO else torch.float32


def compare_speed(first: torch.dtype, second: torch.dtype, seconds: float = COMPARISON_SECONDS) -> float:
    """Return how many times as fast the second number format is on the CPU: the ratio of the best times."""
    work = {dtype: _layer_and_input(dtype) for dtype in (first, second)}
    best = dict.fromkeys(work, float("inf"))
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        for layer, latents in work.values():
            layer(latents)  # The first call also chooses kernels.
        while True:
            for dtype, (layer, latents) in work.items():
                began = time.perf_counter()
                layer(latents)
                best[dtype] = min(best[dtype], time.perf_counter() - began)
            if time.perf_counter() >= end:
                return best[first] / best[second]


def _layer_and_input(dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    """Return operations of which a diffusion network consists, and latents that they accept."""
    layer = nn.Sequential(
        nn.GroupNorm(32, CHANNELS),
        nn.SiLU(),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        nn.Flatten(2),
        nn.Linear(SIDE * SIDE, SIDE * SIDE),
    )
    return layer.to(dtype).eval(), torch.zeros(BATCH, CHANNELS, SIDE, SIDE, dtype=dtype)


def _results_file() -> Path:
    """Return the file with the results of comparisons on this machine."""
    caches = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(caches) if caches else Path.home() / ".cache"
    except RuntimeError:  # There is no home folder.
        folder = Path(gettempdir())
    return folder / "demofusion-studio" / "bfloat16.json"


def _read_results(file: Path) -> dict[str, float]:
    """Return the stored speed of bfloat16 by processor; empty if nothing readable is stored."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): float(ratio) for name, ratio in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_results(file: Path, results: dict[str, float]) -> None:
    """Store results; do nothing if the folder is not writable."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(results), encoding="utf-8")
        partial.replace(file)

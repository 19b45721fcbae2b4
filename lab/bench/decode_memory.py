"""Measures the peak memory of one tiled decode, in a process of its own.

python -m lab.bench.decode_memory [--vae assets/postcards/vae] [--px 4096] [--side 32] [--calls 3]

Without --vae it decodes with an AutoencoderKL of SDXL's shape and random weights. --calls ends the decode
after this many calls of the VAE, because all of them can take hours; the first calls take statistics of the
whole picture, the others are tiles.
"""

import argparse
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from engine.vae import codec


class CallLimitReached(Exception):
    """Ends a decode after --calls calls of the VAE."""


def new_sdxl_vae() -> AutoencoderKL:
    """Return a VAE of SDXL's shape with random weights."""
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        layers_per_block=2,
        sample_size=1024,
    ).eval()


def peak_memory() -> float:
    """Return the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report_calls(vae: Any, calls: int) -> None:
    """Print the peak memory after each call of the VAE's decoder, and end the decode after `calls` calls."""
    decode, count = vae.decode, 0

    def counted(latent: torch.Tensor) -> Any:
        nonlocal count
        count += 1
        began = time.perf_counter()
        decoded = decode(latent)
        seconds = time.perf_counter() - began
        print(
            f"call {count}: {tuple(latent.shape)} in {seconds:.1f} s, peak {peak_memory():.0f} MB", flush=True
        )
        if count == calls:
            raise CallLimitReached
        return decoded

    vae.decode = counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vae", type=Path)
    parser.add_argument("--px", type=int, default=4096)
    parser.add_argument("--side", type=int, default=32, help="side of a tile in latent cells")
    parser.add_argument("--calls", type=int, default=0)
    arguments = parser.parse_args()
    vae = AutoencoderTiny.from_pretrained(arguments.vae).eval() if arguments.vae else new_sdxl_vae()
    latent = torch.zeros(1, vae.config.latent_channels, arguments.px // 8, arguments.px // 8).normal_()
    print(f"with the VAE and the latent: {peak_memory():.0f} MB")
    if arguments.calls:
        report_calls(vae, arguments.calls)
    began = time.perf_counter()
    with suppress(CallLimitReached):
        codec.decode(vae, latent, arguments.side)
    print(f"peak: {peak_memory():.0f} MB, after {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

"""Peak memory of one decode, in a process of its own.

    python -m lab.bench.decode_memory [--vae assets/postcards/vae] [--px 4096] [--side 32] [--calls 3]
Without a folder, an AutoencoderKL of SDXL's shape with random weights. `calls` ends it after so many calls of
the VAE, where all of them would take hours: the first ones look at the whole picture, the others are tiles.
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


class Enough(Exception):
    pass


def sdxl_shaped() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, layers_per_block=2, sample_size=1024,
    ).eval()  # fmt: skip


def resident() -> float:
    """The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def told(vae: Any, calls: int) -> None:
    """Says after each of the first calls what the peak is, and ends the decode after the last of them."""
    decode, count = vae.decode, 0

    def counted(latent: torch.Tensor) -> Any:
        nonlocal count
        count += 1
        began, made = time.perf_counter(), decode(latent)
        seconds = time.perf_counter() - began
        print(f"call {count}: {tuple(latent.shape)} in {seconds:.1f} s, peak {resident():.0f} MB", flush=True)
        if count == calls:
            raise Enough
        return made

    vae.decode = counted


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--vae", type=Path)
    asked.add_argument("--px", type=int, default=4096)
    asked.add_argument("--side", type=int, default=32)
    asked.add_argument("--calls", type=int, default=0)
    args = asked.parse_args()
    vae = AutoencoderTiny.from_pretrained(args.vae).eval() if args.vae else sdxl_shaped()
    latent = torch.zeros(1, vae.config.latent_channels, args.px // 8, args.px // 8).normal_()
    print(f"with the VAE and the latent: {resident():.0f} MB")
    if args.calls:
        told(vae, args.calls)
    began = time.perf_counter()
    with suppress(Enough):
        codec.decode(vae, latent, args.side)
    print(f"peak: {resident():.0f} MB, after {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

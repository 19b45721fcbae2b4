"""Draws a picture with Relay Diffusion's two stages, and shows the stages side by side.

python -m lab.relay "a red house on snow at night" [--seed 0] [--guidance 3] [--out relay.png]

From left to right: the first stage's picture of 64 px, enlarged by repetition; the noisy picture that the second
stage begins with; what the network makes of it at a third of the way; the result.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from lab.relay.networks import Network
from lab.relay.system import (
    FIRST_STAGE,
    FOLDER,
    GUIDANCE,
    SECOND_STAGE,
    TIMES,
    draw_small,
    enlarge,
    load_network,
    to_bytes,
)
from lab.relay.words import NO_WORD, WORDS, prompt_words


def stages_picture(
    first: Network, second: Network, words: list[int], seed: int, guidance: float
) -> Image.Image:
    """Return one picture that shows how both stages draw these words."""
    kept: list[tuple[Tensor, Tensor]] = []
    small = draw_small(first, torch.tensor([words]), seed, guidance)
    large = enlarge(second, small, seed, keep=lambda noisy, clean: kept.append((noisy, clean)))
    row = [interpolate(small, scale_factor=TIMES), kept[0][0], kept[len(kept) // 3][1], large]
    return Image.fromarray(to_bytes(torch.cat(row, -1))[0])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.relay", description=__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", type=float, default=GUIDANCE, help="the first stage's; 1 for none")
    parser.add_argument("--of", type=Path, default=FOLDER, help="the folder of both networks")
    parser.add_argument("--out", type=Path, default=Path("relay.png"))
    arguments = parser.parse_args()
    words = prompt_words(arguments.prompt)
    missing = [kind for kind, index in zip(WORDS, words, strict=True) if index == NO_WORD]
    if missing:
        print(f"The prompt names no {', no '.join(missing)}, so that the first stage chooses.")
    first, second = (load_network(arguments.of, stage) for stage in (FIRST_STAGE, SECOND_STAGE))
    stages_picture(first, second, words, arguments.seed, arguments.guidance).save(arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()

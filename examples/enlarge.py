"""Enlarge a photo with the bundled model: `python -m examples.enlarge photo.jpg`."""

import argparse
import sys

from engine import Failed, Recipe, StageDone, generate, load_model

parser = argparse.ArgumentParser(description="Enlarge a photo with the bundled model.")
parser.add_argument("photo")
parser.add_argument("--prompt", default="", help="What the photo shows, in words that the model knows.")
parser.add_argument(
    "--scales", type=float, nargs="+", default=[1, 2, 4], help="Stages, in multiples of 256 px."
)
parser.add_argument("--fidelity", type=float, default=0.8, help="0: a new picture. 1: the same picture.")
parser.add_argument("--out", default="runs", help="The folder of all runs.")


def main() -> None:
    """Enlarge the photo of the command line, and print the path of each stage's picture."""
    arguments = parser.parse_args()
    recipe = Recipe(
        prompt=arguments.prompt,
        image=arguments.photo,
        fidelity=arguments.fidelity,
        scales=tuple(arguments.scales),
    )
    model = load_model("assets/postcards")
    for event in generate(recipe, model, out=arguments.out):
        match event:
            case StageDone():
                height, width = event.size
                print(f"{width} x {height} px in {event.seconds:.0f} s: {event.image}")
            case Failed():
                sys.exit(event.sentence)


if __name__ == "__main__":
    main()

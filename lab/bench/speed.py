"""Measures how a run's time divides between the network, the VAE and the rest.

python -m lab.bench.speed [--model folder] [--scale 4] [--steps 12] [--width 256]
python -m lab.bench.speed --sdxl [--steps 10]      on a GPU: benchmarks of a network of SDXL's size

Without --model one with random weights and this width is made. The whole run counts, files and previews
included. Only shares are compared between runs, because the load of the machine changes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import Failed, Model, Recipe, generate, load_model, plan
from tests.support import tiny


class Stopwatch:
    """Counts the seconds spent in the functions that it wraps, and their calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time counted."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return timed


@contextmanager
def timed_method(module: Any, name: str) -> Iterator[Stopwatch]:
    """Count the time spent in a method of an object within this context."""
    watch = Stopwatch()
    setattr(module, name, watch.wrap(getattr(module, name)))
    try:
        yield watch
    finally:
        delattr(module, name)


def print_profile(model: Model, recipe: Recipe, out: Path) -> None:
    """Run the recipe and print the seconds and shares of network, VAE and the rest."""
    planned = plan(recipe, model.facts)
    with timed_method(model.unet, "forward") as network, timed_method(model.vae, "decode") as vae:
        began = time.perf_counter()
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
        total = time.perf_counter() - began
    rest = total - network.seconds - vae.seconds
    print(f"{planned.recipe.width} x {planned.recipe.height} px, {planned.evaluations} evaluations")
    print(f"network  {network.seconds:8.2f} s  {network.seconds / total:6.1%}")
    print(f"         {1000 * network.seconds / planned.evaluations:8.2f} ms an evaluation")
    print(f"VAE      {vae.seconds:8.2f} s  {vae.seconds / total:6.1%}")
    print(f"rest     {rest:8.2f} s  {rest / total:6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--scale", type=float, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--sdxl", action="store_true")
    arguments = parser.parse_args()
    if arguments.sdxl:
        from lab.bench.gpu import print_benchmarks

        print_benchmarks(arguments.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        widths = (arguments.width, 2 * arguments.width)
        model = load_model(arguments.model or tiny.write(Path(folder) / "wide", widths=widths))
        scales = tuple(dict.fromkeys((1, 2, arguments.scale)))
        print_profile(model, Recipe(prompt="a red house", steps=arguments.steps, scales=scales), Path(folder))


if __name__ == "__main__":
    main()

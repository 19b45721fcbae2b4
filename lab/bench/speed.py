"""Measures how a run's time divides between the network, the VAE, previews, files and the rest.

python -m lab.bench.speed [--model folder] [--scale 4] [--steps 12] [--quality standard] [--width 256]
python -m lab.bench.speed --sdxl [--steps 10]      on a GPU: benchmarks of a network of SDXL's size

Without --model one with random weights and this width is made. --quality takes a preset of the model. The whole
run counts. Only shares are compared between runs, because the load of the machine changes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engine import Failed, Model, Recipe, generate, load_model, plan
from engine.recipe.quality import apply_quality
from engine.runs import store
from engine.vae import codec
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
    """Count the time spent in a method of an object, or in a function of a module, within this context."""
    watch = Stopwatch()
    with patch.object(module, name, watch.wrap(getattr(module, name))):
        yield watch


def print_profile(model: Model, recipe: Recipe, out: Path) -> None:
    """Run the recipe and print the seconds and shares of its parts."""
    planned = plan(recipe, model.facts)
    parts = {
        "network": (model.unet, "forward"),
        "VAE": (model.vae, "decode"),
        "previews": (codec, "preview"),
        "files": (store, "write_stage"),
    }
    with ExitStack() as stack:
        watches = {title: stack.enter_context(timed_method(*part)) for title, part in parts.items()}
        began = time.perf_counter()
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
        total = time.perf_counter() - began
    seconds = {title: watch.seconds for title, watch in watches.items()}
    seconds["rest"] = total - sum(seconds.values())
    print(f"{planned.recipe.width} x {planned.recipe.height} px, {planned.evaluations} evaluations")
    for title, each in seconds.items():
        print(f"{title:8} {each:8.2f} s  {each / total:6.1%}")
    print(f"{1000 * seconds['network'] / planned.evaluations:.2f} ms of the network an evaluation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--scale", type=float, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--quality", help="a quality preset of the model, instead of --steps")
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
        recipe = Recipe(prompt="a red house on snow at night", scales=scales)
        if arguments.quality:
            recipe = apply_quality(recipe, arguments.quality, model.facts)
        else:
            recipe = replace(recipe, steps=arguments.steps)
        print_profile(model, recipe, Path(folder))


if __name__ == "__main__":
    main()

"""Where the time of a run goes: in the network, in the VAE, or around them.

    python -m lab.bench.speed [--model folder] [--scale 4] [--steps 12] [--width 256]
    python -m lab.bench.speed --sdxl [--steps 10]      on a GPU: every number of a network of SDXL's size
Without a model, one with random weights of this width is made. Shares of one run, so that the machine's load
falls out; the whole run is counted, files and previews included.
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
    """Seconds spent inside the functions that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*given, **more)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return timed


@contextmanager
def watched(module: Any, name: str) -> Iterator[Stopwatch]:
    watch = Stopwatch()
    setattr(module, name, watch.around(getattr(module, name)))
    try:
        yield watch
    finally:
        delattr(module, name)


def profile(model: Model, recipe: Recipe, out: Path) -> None:
    planned = plan(recipe, model.facts)
    with watched(model.unet, "forward") as network, watched(model.vae, "decode") as vae:
        began = time.perf_counter()
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
        total = time.perf_counter() - began
    around = total - network.seconds - vae.seconds
    print(f"{planned.recipe.width} x {planned.recipe.height} px, {planned.evaluations} evaluations")
    print(f"network  {network.seconds:8.2f} s  {network.seconds / total:6.1%}")
    print(f"         {1000 * network.seconds / planned.evaluations:8.2f} ms an evaluation")
    print(f"VAE      {vae.seconds:8.2f} s  {vae.seconds / total:6.1%}")
    print(f"around   {around:8.2f} s  {around / total:6.1%}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--model", type=Path)
    asked.add_argument("--scale", type=float, default=4)
    asked.add_argument("--steps", type=int, default=12)
    asked.add_argument("--width", type=int, default=256)
    asked.add_argument("--sdxl", action="store_true")
    args = asked.parse_args()
    if args.sdxl:
        from lab.bench.gpu import bars

        bars(args.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        widths = (args.width, 2 * args.width)
        model = load_model(args.model or tiny.write(Path(folder) / "wide", widths=widths))
        scales = tuple(dict.fromkeys((1, 2, args.scale)))
        profile(model, Recipe(prompt="a red house", steps=args.steps, scales=scales), Path(folder))


if __name__ == "__main__":
    main()

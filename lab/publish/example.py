"""Makes the example that the page opens with: the folders of all stages of one run.

python -m lab.publish.example [--of assets/postcards] [--to assets/example] [--prompt …] [--seed …]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from engine import Failed, Recipe, StageDone, generate, load_model

# Where the page looks for the example.
EXAMPLE_FOLDER = Path("assets/example")
PROMPT, SEED = "a blue boat on water at day", 2


def make_example(of: Path, to: Path, recipe: Recipe) -> list[StageDone]:
    """Run the recipe with the model in `of`; replace the example in `to` with its stages, and return them."""
    with tempfile.TemporaryDirectory() as runs:
        events = list(generate(recipe, load_model(of), out=runs))
        if isinstance(events[-1], Failed):
            raise SystemExit(events[-1].sentence)
        stages = [event for event in events if isinstance(event, StageDone)]
        shutil.rmtree(to, ignore_errors=True)
        for stage in stages:
            folder = Path(stage.image).parent
            shutil.copytree(folder, to / folder.name)
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.publish.example", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--to", type=Path, default=EXAMPLE_FOLDER)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    for stage in make_example(
        arguments.of, arguments.to, Recipe(prompt=arguments.prompt, seed=arguments.seed)
    ):
        print(f"stage {stage.stage}: {stage.size[1]} px in {stage.seconds:.1f} s")


if __name__ == "__main__":
    main()

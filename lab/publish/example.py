"""Makes the example that the page opens with: every stage of one picture, as a run leaves them.

python -m lab.publish.example [--of assets/postcards] [--to assets/example] [--prompt …] [--seed …]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from engine import Failed, Recipe, StageDone, generate, load_model

PLACE = Path("assets/example")
PROMPT, SEED = "a blue boat on water at day", 2


def example(of: Path, to: Path, recipe: Recipe) -> list[StageDone]:
    """Replaces the example by this picture; its stages."""
    with tempfile.TemporaryDirectory() as runs:
        events = list(generate(recipe, load_model(of), out=runs))
        if isinstance(events[-1], Failed):
            raise SystemExit(events[-1].sentence)
        made = [event for event in events if isinstance(event, StageDone)]
        shutil.rmtree(to, ignore_errors=True)
        for stage in made:
            folder = Path(stage.image).parent
            shutil.copytree(folder, to / folder.name)
    return made


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.publish.example", description=__doc__)
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--to", type=Path, default=PLACE)
    asked.add_argument("--prompt", default=PROMPT)
    asked.add_argument("--seed", type=int, default=SEED)
    given = asked.parse_args()
    for stage in example(given.of, given.to, Recipe(prompt=given.prompt, seed=given.seed)):
        print(f"stage {stage.stage}: {stage.size[1]} px in {stage.seconds:.1f} s")


if __name__ == "__main__":
    main()

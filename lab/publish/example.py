"""Makes the examples that the page offers: the folders of all stages of a run each.

python -m lab.publish.example [--of assets/postcards] [--only example picture ...]
"""

import argparse
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from engine import Failed, Recipe, StageDone, generate, load_model
from engine.methods import METHODS
from engine.recipe.controls import Control
from engine.recipe.quality import apply_quality
from lab.world.scenes import Scene, render

# Where the page looks for the example that it opens with, and for the other ones.
EXAMPLE_FOLDER, OTHER_EXAMPLES = Path("assets/example"), Path("assets/examples")
# (height, width) in px of the pictures from which examples start.
INPUT_SIZE = (320, 320)


@dataclass(frozen=True)
class Example:
    """What an example shows."""

    # The settings, without the files of pictures.
    recipe: Recipe
    # The picture that the example starts from or follows; None without one.
    scene: Scene | None = None
    # Whether the example follows the edges of its picture, instead of starting from it.
    follows_edges: bool = False


OPENING = Recipe(prompt="a blue boat on water at day", seed=2)
EXAMPLES = {
    # The one that the page opens with.
    "example": Example(OPENING),
    "picture": Example(
        Recipe(prompt="a yellow castle on grass at day", seed=1, scales=(1.25, 2.5), fidelity=0.8),
        Scene("castle", "yellow", "grass", "day", horizon=-0.25, weather=3),
    ),
    "edges": Example(
        Recipe(prompt="a pink house on sand at dawn", seed=2, scales=(1, 2)),
        Scene("house", "red", "grass", "day", horizon=-0.3, weather=5),
        follows_edges=True,
    ),
    "wide": Example(
        Recipe(
            prompt="a white lighthouse on sand at sunset", seed=3, width=1008, height=576, scales=(1, 2, 3)
        )
    ),
    # Is compared with the one that the page opens with.
    "methods": Example(replace(OPENING, method="direct", width=1024, height=1024)),
    "stages": Example(Recipe(prompt="a purple flower on grass at day", seed=2, scales=(1, 1.5, 2, 2.5))),
}


def example_folder(name: str) -> Path:
    """Return the folder of an example."""
    return EXAMPLE_FOLDER if name == EXAMPLE_FOLDER.name else OTHER_EXAMPLES / name


def make_named_example(of: Path, name: str) -> list[StageDone]:
    """Make an example of EXAMPLES with the model in `of`, in its folder, and return its stages."""
    example = EXAMPLES[name]
    if example.scene is None:
        return make_example(of, example_folder(name), example.recipe)
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder) / "picture.png")
        Image.fromarray(render(example.scene, INPUT_SIZE)).save(picture)
        if example.follows_edges:
            recipe = replace(example.recipe, controls=(Control(image=picture, kind="canny"),))
        else:
            recipe = replace(example.recipe, image=picture)
        return make_example(of, example_folder(name), recipe)


def make_example(of: Path, to: Path, recipe: Recipe) -> list[StageDone]:
    """Run the recipe with the model in `of`; replace the example in `to` with its stages, and return them.

    The recipe gets the settings of the model's default quality preset, if its method reads them.
    """
    model = load_model(of, dtype="float32")
    if "restart" in METHODS[recipe.method].reads and model.facts.defaults.quality:
        recipe = apply_quality(recipe, model.facts.defaults.quality, model.facts)
    with tempfile.TemporaryDirectory() as runs:
        events = list(generate(recipe, model, out=runs))
        if isinstance(events[-1], Failed):
            raise SystemExit(events[-1].sentence)
        stages = [event for event in events if isinstance(event, StageDone)]
        shutil.rmtree(to, ignore_errors=True)
        for stage in stages:
            folder = Path(stage.image).parent
            shutil.copytree(folder, to / folder.name)
        for upload in Path(stages[0].image).parent.parent.glob("upload-*.png"):
            shutil.copy(upload, to)
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.publish.example", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--only", nargs="+", choices=EXAMPLES, default=list(EXAMPLES))
    arguments = parser.parse_args()
    for name in arguments.only:
        for stage in make_named_example(arguments.of, name):
            print(f"{name}, stage {stage.stage}: {stage.size[1]} px in {stage.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Measures how often direct inference and DemoFusion repeat the subject at four times the native side."""

from pathlib import Path

from PIL import Image

from engine import load_model
from lab.judge.judge import classify, load_judge
from lab.measure.base_quality import Verdicts, scene_prompts
from lab.measure.pictures import cached_picture
from lab.measure.tables import Row, rate_text, table
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes

SCALES, STEPS, SCHEDULER = (1.0, 2.0, 4.0), 12, "dpmpp_2m"
# The methods to compare: their title and their name in the engine.
METHODS = {"direct inference": "direct", "DemoFusion": "demofusion"}
# How many prompts the figure shows, and the side in px of a picture in it.
FIGURE_PROMPTS, FIGURE_PX = 16, 200


def draw_pictures(
    folder: Path, number: int, steps: int = STEPS
) -> tuple[list[Scene], dict[str, list[Array]]]:
    """Draw held-out prompts with both methods; return the scenes, and each method's pictures by its title."""
    model, scenes = load_model(folder), held_out_scenes(number)
    made: dict[str, list[Array]] = {name: [] for name in METHODS}
    for k, prompt in enumerate(scene_prompts(scenes)):
        for name, method in METHODS.items():
            more = {"method": method, "scheduler": SCHEDULER}
            made[name].append(cached_picture(model, prompt, k, SCALES, steps, **more))
        print(f"{k + 1} of {number}", flush=True)
    return scenes, made


def measure(folder: Path, number: int = 50, steps: int = STEPS) -> str:
    """Return a table of how often the judge counts no, one, or more than one subject."""
    judge = load_judge(folder)
    scenes, made = draw_pictures(folder, number, steps)
    rows = []
    for name, drawings in made.items():
        verdicts = Verdicts(scenes, classify(judge, drawings))
        counts = (
            verdicts.share(lambda n: n == 0),
            verdicts.share(lambda n: n == 1),
            verdicts.share(lambda n: n > 1),
        )
        rows.append(Row(name, *counts, rate_text(verdicts.hits("subject"), number)))
    title = f"{number} prompts at 1024 px, {steps} steps of {SCHEDULER}"
    return table(rows, (title, "none", "one", "more than one", "the subject"))


def figure(folder: Path) -> Image.Image:
    """Draw two double rows of pictures: direct inference above, DemoFusion below."""
    _, made = draw_pictures(folder, FIGURE_PROMPTS)
    whole = Image.new("RGB", (FIGURE_PX * FIGURE_PROMPTS // 2, FIGURE_PX * 4))
    for row, drawings in enumerate(made.values()):
        for k, one in enumerate(drawings):
            small = Image.fromarray(one).resize((FIGURE_PX, FIGURE_PX), Image.Resampling.LANCZOS)
            whole.paste(
                small,
                (
                    FIGURE_PX * (k % (FIGURE_PROMPTS // 2)),
                    FIGURE_PX * (row + 2 * (k // (FIGURE_PROMPTS // 2))),
                ),
            )
    return whole

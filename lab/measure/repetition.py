"""Why DemoFusion exists: how often a subject is repeated at four times the side, with it and without."""

from pathlib import Path

from PIL import Image

from engine import load_model
from lab.judge.judge import load, verdicts
from lab.measure.base_quality import Answers, prompts
from lab.measure.drawing import kept, quickest
from lab.measure.tables import Row, rate, table
from lab.measure.vae_quality import unseen
from lab.world.paint import Array
from lab.world.scenes import Scene

SCALES, STEPS, SCHEDULER = (1.0, 2.0, 4.0), 12, "dpmpp_2m"
METHODS = {"direct inference": "direct", "DemoFusion": "demofusion"}
SHOWN, SIDE = 16, 200
"""How many prompts a figure shows, and px of a picture in it."""


def pictures(folder: Path, number: int, steps: int = STEPS) -> tuple[list[Scene], dict[str, list[Array]]]:
    """Of both methods, one prompt after another."""
    model, scenes = load_model(folder, dtype=quickest()), unseen(number)
    made: dict[str, list[Array]] = {name: [] for name in METHODS}
    for k, prompt in enumerate(prompts(scenes)):
        for name, method in METHODS.items():
            more = {"method": method, "scheduler": SCHEDULER}
            made[name].append(kept(model, prompt, k, SCALES, steps, **more))
        print(f"{k + 1} of {number}", flush=True)
    return scenes, made


def measure(folder: Path, number: int = 50, steps: int = STEPS) -> str:
    """None, one, more than one subject, as the judge counts."""
    judge = load(folder)
    scenes, made = pictures(folder, number, steps)
    rows = []
    for name, drawings in made.items():
        of = Answers(scenes, verdicts(judge, drawings))
        counts = (of.share(lambda n: n == 0), of.share(lambda n: n == 1), of.share(lambda n: n > 1))
        rows.append(Row(name, *counts, rate(of.hits("subject"), number)))
    title = f"{number} prompts at 1024 px, {steps} steps of {SCHEDULER}"
    return table(rows, (title, "none", "one", "more than one", "the subject"))


def figure(folder: Path) -> Image.Image:
    """The first prompts: direct inference above, DemoFusion below."""
    _, made = pictures(folder, SHOWN)
    whole = Image.new("RGB", (SIDE * SHOWN // 2, SIDE * 4))
    for row, drawings in enumerate(made.values()):
        for k, one in enumerate(drawings):
            small = Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            whole.paste(small, (SIDE * (k % (SHOWN // 2)), SIDE * (row + 2 * (k // (SHOWN // 2)))))
    return whole

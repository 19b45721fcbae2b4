"""Makes the pictures of README.md: the stages of one enlargement side by side, and a screenshot of the page.

The page is opened in Chromium by Playwright (tests/requirements.txt); Debian's package is called chromium.

python -m lab.publish.readme_pictures [--to docs/images] [--runs FOLDER] [--only stages page]
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image, ImageDraw

from engine import Accepted, Failed, StageDone, generate, load_model
from engine.catalogue.entries import model_entries
from engine.export.lettering import load_font
from engine.paths import ROOT
from engine.recipe.quality import default_recipe

# The run that both pictures show. Prompt and seed were chosen by looking at some; the settings are those that the page
# starts with, of which a link without settings says nothing.
PROMPT, SEED = "a red windmill on grass at dawn", 1
# The side in px of each picture in the figure of the stages, and the gap between two of them.
PANEL, GAP = 400, 8
# The height in px of a line of text in that figure.
LINE_HEIGHT = 34
# The part of each picture that the figure's second row shows: left, top and side, as fractions of the picture's side.
DETAIL = (0.38, 0.10, 0.30)
# The page's (width, height) in px: high enough for the stages below the viewer.
VIEWPORT = 1280, 830
# Milliseconds after which waiting for a part of the page is given up.
TIMEOUT_MS = 300_000
# Milliseconds in which the viewer has loaded the tiles of the picture.
SETTLING_MS = 5000
# The quality of the JPEG files.
QUALITY = 85


def make_stages(runs: Path) -> list[StageDone]:
    """Make the run that both pictures show, in a folder of runs, and return its stages."""
    model = load_model(model_entries()[0].source, dtype="float32")
    recipe = replace(default_recipe(model.facts), prompt=PROMPT, seed=SEED)
    events = list(generate(recipe, model, out=runs))
    if isinstance(events[-1], Failed):
        raise SystemExit(events[-1].sentence)
    kept = [stage for event in events if isinstance(event, Accepted) for stage in event.kept]
    return kept + [event for event in events if isinstance(event, StageDone)]


def draw_stages(pictures: list[Image.Image]) -> Image.Image:
    """Return a figure with the pictures of all stages at one size, and the same part of each below, enlarged."""
    left, top, side = DETAIL
    figure = Image.new("RGB", (len(pictures) * (PANEL + GAP) - GAP, 2 * (LINE_HEIGHT + PANEL)), "white")
    draw, font = ImageDraw.Draw(figure), load_font(18)
    for n, picture in enumerate(pictures):
        x, width = n * (PANEL + GAP), picture.width
        box = (left * width, top * width, (left + side) * width, (top + side) * width)
        detail = picture.resize((PANEL, PANEL), Image.Resampling.BICUBIC, box=box)
        titles = f"Stage {n + 1}: {width} x {picture.height} px", "The part in the frame"
        shown = picture.resize((PANEL, PANEL), Image.Resampling.LANCZOS), detail
        for row, (title, image) in enumerate(zip(titles, shown, strict=True)):
            y = row * (LINE_HEIGHT + PANEL)
            draw.text((x + 2, y + LINE_HEIGHT / 2), title, "black", font, anchor="lm")
            figure.paste(image, (x, y + LINE_HEIGHT))
        frame = [x + left * PANEL, LINE_HEIGHT + top * PANEL]
        draw.rectangle([*frame, *(corner + side * PANEL for corner in frame)], outline="white", width=2)
    return figure


@contextmanager
def serve_app(runs: Path) -> Iterator[str]:
    """Run app.py over a folder of runs in a process of its own inside a `with` block, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {"STUDIO_RUNS": str(runs), "STUDIO_MODELS": "postcards", "GRADIO_SERVER_PORT": port}
    settings["STUDIO_DTYPE"] = "float32"  # As that of the stages which make_stages() made.
    environment = os.environ | settings | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "app.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as app:
        try:
            # The app prints its address once it accepts connections; its output ends if it fails.
            if not any(port in line for line in app.stdout):
                raise SystemExit("The app did not start.")
            yield f"http://127.0.0.1:{port}/"
        finally:
            app.terminate()


def photograph_page(url: str, file: Path) -> None:
    """Open the page with the settings of the run, press Generate, and save a screenshot of the finished run.

    All stages are in the app's folder of runs already, so nothing is computed.
    """
    from playwright.sync_api import sync_playwright

    width, height = VIEWPORT
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(f"{url}?{urlencode({'prompt': PROMPT, 'seed': SEED})}")
        page.locator("#sizes").get_by_text("px").wait_for()
        page.locator("#quality").get_by_label("Standard").check()
        page.get_by_role("button", name="Undo").wait_for()  # The sliders show the preset's values.
        page.locator("#generate").click()
        page.locator(".st-card").nth(2).get_by_role("link").wait_for()  # The last stage can be downloaded.
        page.evaluate("document.querySelectorAll('*').forEach((part) => { part.scrollTop = 0 })")
        page.wait_for_timeout(SETTLING_MS)
        page.screenshot(path=file, type="jpeg", quality=QUALITY)
        chromium.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.publish.readme_pictures", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("docs/images"))
    parser.add_argument("--runs", type=Path, help="a folder of runs, whose finished stages are used again")
    parser.add_argument("--only", nargs="*", choices=("stages", "page"), default=("stages", "page"))
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = (arguments.runs or Path(folder)).resolve()
        stages = make_stages(runs)
        if "stages" in arguments.only:
            pictures = [Image.open(stage.image).convert("RGB") for stage in stages]
            draw_stages(pictures).save(arguments.to / "stages.jpg", quality=QUALITY, optimize=True)
        if "page" in arguments.only:
            with serve_app(runs) as url:
                photograph_page(url, arguments.to / "page.jpg")


if __name__ == "__main__":
    main()

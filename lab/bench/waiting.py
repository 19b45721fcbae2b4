"""How long a visitor waits: for the page, the first preview, every stage. Needs playwright and Chromium.

python -m lab.bench.waiting [--stages 3]
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

PATIENCE = 900_000
"""Milliseconds until it gives up."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def app(port: int) -> Iterator[str]:
    """The app as a newcomer starts it, with no runs; yields once it answers."""
    with tempfile.TemporaryDirectory() as runs:
        given = os.environ | {"GRADIO_SERVER_PORT": str(port), "STUDIO_RUNS": runs}
        served = subprocess.Popen([sys.executable, "app.py"], env=given, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/"
        try:
            while not answers(url):
                time.sleep(0.05)
            yield url
        finally:
            served.terminate()
            served.wait()


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def tell(what: str, since: float) -> None:
    print(f"{what:28} {time.perf_counter() - since:6.1f} s", flush=True)


def run(page: Page, stages: int) -> None:
    """Presses Generate and waits for its first preview and for every stage."""
    page.locator("#scale_stages input[type=number]").fill(str(stages))
    page.get_by_label("Seed").fill("11")
    page.get_by_label("Seed").press("Tab")
    page.locator("#generate").click()
    began = time.perf_counter()
    page.locator(".st-tag", has_text="in the making").wait_for()
    tell("Generate to first preview", began)
    for stage in range(1, stages + 1):
        page.get_by_role("button", name=re.compile(rf"^Stage {stage} of .* pixels")).wait_for()
        tell(f"Generate to stage {stage}", began)


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.bench.waiting", description=__doc__)
    asked.add_argument("--stages", type=int, default=3)
    given, began = asked.parse_args(), time.perf_counter()
    with app(free_port()) as url, sync_playwright() as playwright:
        tell("start to answering", began)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        opened = time.perf_counter()
        page.goto(url)
        page.locator("#sizes").get_by_text("px").wait_for()
        tell("opened to usable", opened)
        page.locator("#badge").get_by_text("●").wait_for()
        tell("opened to warm", opened)
        run(page, given.stages)
        chromium.close()


if __name__ == "__main__":
    main()

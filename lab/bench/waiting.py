"""Measures how long a visitor waits for the page, the first preview and every stage.

It needs playwright and Chromium.

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

# Milliseconds to wait for anything on the page.
TIMEOUT_MS = 900_000


def free_port() -> int:
    """Return a port that no server uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve_app(port: int) -> Iterator[str]:
    """Serve the app with default settings and no runs within this context; yield its URL once it answers."""
    with tempfile.TemporaryDirectory() as runs:
        environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "STUDIO_RUNS": runs}
        server = subprocess.Popen([sys.executable, "app.py"], env=environment, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/"
        try:
            while not is_answering(url):
                time.sleep(0.05)
            yield url
        finally:
            server.terminate()
            server.wait()


def is_answering(url: str) -> bool:
    """Return whether a server answers at this URL."""
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def print_wait(what: str, since: float) -> None:
    """Print how many seconds have passed since then."""
    print(f"{what:28} {time.perf_counter() - since:6.1f} s", flush=True)


def time_stages(page: Page, stages: int) -> None:
    """Press Generate and print the wait for the first preview and for every stage."""
    page.locator("#scale_stages input[type=number]").fill(str(stages))
    page.get_by_label("Seed").fill("11")
    page.get_by_label("Seed").press("Tab")
    page.locator("#generate").click()
    began = time.perf_counter()
    page.locator(".st-tag", has_text="in progress").wait_for()
    print_wait("Generate to first preview", began)
    for stage in range(1, stages + 1):
        page.get_by_role("button", name=re.compile(rf"^Stage {stage} of .* pixels")).wait_for()
        print_wait(f"Generate to stage {stage}", began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.bench.waiting", description=__doc__)
    parser.add_argument("--stages", type=int, default=3)
    arguments = parser.parse_args()
    began = time.perf_counter()
    with serve_app(free_port()) as url, sync_playwright() as playwright:
        print_wait("start to answering", began)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        opened = time.perf_counter()
        page.goto(url)
        page.locator("#sizes").get_by_text("px").wait_for()
        print_wait("opened to usable", opened)
        page.locator("#badge").get_by_text("●").wait_for()
        print_wait("opened to warm", opened)
        time_stages(page, arguments.stages)
        chromium.close()


if __name__ == "__main__":
    main()

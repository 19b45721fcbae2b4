"""Measures how long many visitors at once wait for the page, for a moved slider and for a picture of the small model.

Each visitor opens the page, moves a slider, presses Generate, follows the run and fetches the picture, with the
requests that a browser sends. The functions of the page are found in its /config, so that versions can be compared.

python -m lab.bench.visitors URL [--visitors 50] [--out FILE.json]
"""

import argparse
import asyncio
import json
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from engine.catalogue.vocabulary import build_prompt
from engine.serving.models import select_models

# How many times each visitor moves the slider of the number of stages.
MOVES = 6
# The settings of the pictures, by elem_id of the component: one stage and few steps.
SETTINGS: Mapping[str, Any] = {"scale_stages": 1, "steps": 4}
# Seconds after which a visitor presses Generate again if the queue was full, and the most presses.
RETRY_SECONDS, MAX_PRESSES = 5.0, 200
# Seconds after which a visitor gives up waiting for an answer.
TIMEOUT = 900.0
# Matches the URL of a finished picture in the events of a run, whose folder has the run's name.
PICTURE_URL = re.compile(r'"url": ?"([^"]+/[0-9a-f]{32}/stage-[^"]+/picture\.png)"')


@dataclass
class Measurements:
    """What the visitors have measured so far."""

    # Seconds until the page and its /config are loaded.
    page: list[float] = field(default_factory=list)
    # Seconds until a move of the slider is answered.
    slider: list[float] = field(default_factory=list)
    # Seconds from the first press of Generate until the picture is fetched.
    picture: list[float] = field(default_factory=list)
    # The number of requests that failed or were answered with a status of 400 or more.
    http_errors: int = 0
    # The number of presses after which no run had started, because the queue was full.
    refusals: int = 0
    # The number of visitors that got no picture.
    without_picture: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the measurements as a JSON object."""
        return {
            "page_seconds": summarize(self.page),
            "slider_seconds": summarize(self.slider),
            "press_to_picture_seconds": summarize(self.picture),
            "http_errors": self.http_errors,
            "refusals": self.refusals,
            "without_picture": self.without_picture,
        }


def summarize(seconds: Sequence[float]) -> dict[str, float]:
    """Return the number of some times, the median, the 95th percentile and the longest; only 0 if there are none."""
    if not seconds:
        return {"count": 0}
    p50, p95, longest = np.percentile(seconds, (50, 95, 100)).round(3).tolist()
    return {"count": len(seconds), "p50": p50, "p95": p95, "max": longest}


@dataclass(frozen=True)
class PageConfig:
    """The functions and components of a page that a visitor uses, found in its /config.

    A function is an entry of "dependencies" there: its "id", and the ids of its "inputs" and "outputs".
    """

    # The path below which the functions are called, such as /gradio_api.
    api_prefix: str
    # Fills a page that was opened.
    load: Mapping[str, Any]
    # Takes a changed setting.
    change: Mapping[str, Any]
    # Starts a run.
    generate: Mapping[str, Any]
    # Sends the progress of the run that was started.
    follow: Mapping[str, Any]
    # Takes a dropped file.
    drop: Mapping[str, Any]
    # The id of the zone for files that are dropped.
    drop_zone: int
    # The id of the slider that is moved.
    slider: int
    # The id of the prompt.
    prompt: int
    # The id of the button Generate.
    button: int
    # The first values of all components, by id.
    values: Mapping[int, Any]
    # The settings of the picture, by id of the component.
    settings: Mapping[int, Any]


def read_config(config: Mapping[str, Any]) -> PageConfig:
    """Find the functions and components that a visitor uses in the /config of a page."""
    components, functions = config["components"], config["dependencies"]
    ids = {each["props"].get("elem_id"): each["id"] for each in components}

    def find_function(event: str, element: str | None = None) -> Mapping[str, Any]:
        """Return the first function of an event, such as "click", of an element, or of any element."""
        return next(
            each
            for each in functions
            for target, name in each["targets"]
            if name == event and (element is None or target == ids[element])
        )

    generate = find_function("click", "generate")
    return PageConfig(
        api_prefix=config["api_prefix"],
        load=find_function("load"),
        change=find_function("input", "scale_stages"),
        generate=generate,
        follow=next(each for each in functions if each["trigger_after"] == generate["id"]),
        drop=find_function("upload", "drop"),
        drop_zone=ids["drop"],
        slider=ids["scale_stages"],
        prompt=ids["prompt"],
        button=ids["generate"],
        values={each["id"]: each["props"].get("value") for each in components},
        settings={ids[name]: value for name, value in SETTINGS.items()},
    )


def find_picture(events: str) -> str | None:
    """Return the URL of the last finished picture in the events of a run; None if there is none."""
    urls = PICTURE_URL.findall(events)
    return urls[-1] if urls else None


def make_prompts() -> Iterator[str]:
    """Yield prompts that the small model knows, each another one."""
    (entry,) = select_models(["postcards"], False)
    for words in product(*entry.vocabulary.values()):
        yield build_prompt(dict(zip(entry.vocabulary, words, strict=True)))


class Visitor:
    """One visitor with a browser and an address of its own."""

    def __init__(self, url: str, number: int, prompt: str, measurements: Measurements) -> None:
        self.prompt, self.measurements = prompt, measurements
        self.session_hash = secrets.token_hex(6)
        # Without the first header all visitors would have one address, and few places in the queue. The second is the
        # secret with which a page owns its runs; earlier versions ignore it.
        headers = {
            "X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}",
            "X-Studio-Owner": secrets.token_hex(16),
        }
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT)
        self.config: PageConfig
        # The values of the page's components, by id.
        self.values: dict[int, Any] = {}

    async def visit(self) -> None:
        """Open the page, move the slider and wait for a picture."""
        try:
            async with self.http:
                await self.open_page()
                for move in range(MOVES):
                    await self._move_slider(1 + move % 3)
                await self._make_picture()
        except httpx.HTTPError as fault:
            print(f"{self.prompt}: {type(fault).__name__} {fault}", file=sys.stderr)
            self.measurements.http_errors += 1
            self.measurements.without_picture += 1

    async def open_page(self) -> None:
        """Load the page and its /config, and let the server fill it."""
        began = time.perf_counter()
        (await self.http.get("/")).raise_for_status()
        answer = (await self.http.get("/config")).raise_for_status()
        self.measurements.page.append(time.perf_counter() - began)
        self.config = read_config(answer.json())
        self.values = dict(self.config.values)
        await self.call(self.config.load)

    async def _move_slider(self, value: int) -> None:
        """Move the slider and wait until the page shows what follows."""
        began = time.perf_counter()
        self.values[self.config.slider] = value
        await self.call(self.config.change, trigger=self.config.slider)
        self.measurements.slider.append(time.perf_counter() - began)

    async def _make_picture(self) -> None:
        """Press Generate until a run has started, wait until its picture has come, and fetch the picture."""
        self.values |= {**self.config.settings, self.config.prompt: self.prompt}
        began = time.perf_counter()
        for _ in range(MAX_PRESSES):
            if await self._press_generate():
                break
            self.measurements.refusals += 1
            await asyncio.sleep(RETRY_SECONDS)
        url = find_picture(await self._follow_run())
        if url is None:
            self.measurements.without_picture += 1
            return
        (await self.http.get(url)).raise_for_status()
        self.measurements.picture.append(time.perf_counter() - began)

    async def _press_generate(self) -> bool:
        """Press Generate. Return whether a run has started, which hides the button."""
        updates = await self.call(self.config.generate, trigger=self.config.button)
        button = updates[self.config.generate["outputs"].index(self.config.button)]
        return isinstance(button, dict) and button.get("visible") is False

    async def call(self, function: Mapping[str, Any], trigger: int | None = None) -> list[Any]:
        """Call a function with the values of its inputs, apply its updates of the components and return them."""
        answer = await self.http.post(
            f"{self.config.api_prefix}/run/predict", json=self._body(function, trigger)
        )
        updates = answer.raise_for_status().json()["data"]
        for component, update in zip(function["outputs"], updates, strict=True):
            if not (isinstance(update, dict) and update.get("__type__") == "update"):
                self.values[component] = update
            elif "value" in update:
                self.values[component] = update["value"]
        return updates

    async def _follow_run(self) -> str:
        """Return all events of the run as text, once the run has ended."""
        prefix = self.config.api_prefix
        joined = await self.http.post(f"{prefix}/queue/join", json=self._body(self.config.follow))
        joined.raise_for_status()
        events = await self.http.get(f"{prefix}/queue/data", params={"session_hash": self.session_hash})
        return events.raise_for_status().text

    def _body(self, function: Mapping[str, Any], trigger: int | None = None) -> dict[str, Any]:
        """Return the body of a call, as the page sends it."""
        return {
            "data": [self.values.get(each) for each in function["inputs"]],
            "event_data": None,
            "fn_index": function["id"],
            "trigger_id": trigger,
            "session_hash": self.session_hash,
        }


async def measure(url: str, count: int) -> Measurements:
    """Let so many visitors come at once, and return what they have measured."""
    measurements = Measurements()
    visitors = [
        Visitor(url, number, prompt, measurements)
        for number, prompt in zip(range(count), make_prompts(), strict=False)
    ]
    await asyncio.gather(*(visitor.visit() for visitor in visitors))
    return measurements


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.bench.visitors", description=__doc__)
    parser.add_argument("url", help="where the app runs, such as http://127.0.0.1:7860")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    arguments = parser.parse_args()
    measurements = asyncio.run(measure(arguments.url, arguments.visitors))
    result = {"visitors": arguments.visitors} | measurements.summary()
    for name, value in result.items():
        numbers = value.items() if isinstance(value, dict) else [("", value)]
        print(f"{name:26}", *(f"{label} {number:g}".strip() for label, number in numbers), sep="  ")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Seconds per tile area, learned from finished stages for each device, model and number format. No torch."""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from engine.catalogue.entries import Facts, published_pace
from engine.planning.cost import work
from engine.planning.stage import Stage
from engine.runs.files import write_atomically

log = logging.getLogger(__name__)

FOLDER, FILE = "pace", "pace.json"
NEW = 0.4
"""Weight of the newest stage in what is remembered: a machine's load changes."""
MOST = 200


class Pace:
    """What finished stages took, in a folder that is never served. A lost update is no loss."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.folder = Path(root) / FOLDER
        self.path = self.folder / FILE

    def seconds(self, stages: Iterable[Stage]) -> float | None:
        """How long these stages take here; None while that is not known."""
        stages = tuple(stages)
        if not stages:
            return 0.0
        facts = stages[0].facts
        each = self._read().get(_place(facts)) or published_pace(facts)
        return each and each * sum(map(work, stages))

    def each(self, stages: Iterable[Stage]) -> tuple[float | None, ...]:
        """How long each of these stages takes here."""
        return tuple(self.seconds([stage]) for stage in stages)

    def learn(self, stage: Stage, seconds: float) -> None:
        """Remembers what a stage took, all told."""
        if work(stage) <= 0 or seconds <= 0:
            return
        known, place, each = self._read(), _place(stage.facts), seconds / work(stage)
        known[place] = (1 - NEW) * known[place] + NEW * each if place in known else each
        text = json.dumps(dict(list(known.items())[-MOST:]), indent=1)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, lambda path: path.write_text(text), flush=False)
        except OSError as fault:
            log.warning("the pace could not be kept: %s", fault)

    def _read(self) -> dict[str, float]:
        try:
            read = json.loads(self.path.read_text())
            return {str(k): float(v) for k, v in read.items() if float(v) > 0}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _place(facts: Facts) -> str:
    return f"{facts.device} | {facts.name} | {facts.dtype}"

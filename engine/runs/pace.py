"""Estimate how long stages take from how long earlier ones took. Needs no torch.

Seconds per tile area are remembered in a file, for each device, model and number format.
"""

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
# The weight of the newest stage in the running average: a machine's load changes.
NEWEST_WEIGHT = 0.4
# The largest number of combinations of device, model and number format that the file remembers.
MAX_ENTRIES = 200


class Pace:
    """The speed of this machine, in a file that all processes share.

    Two processes that write at once may lose one of the two updates, which does no harm.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Use the file under this folder of runs; its own folder is never served to browsers."""
        self.folder = Path(root) / FOLDER
        self.path = self.folder / FILE

    def estimate(self, stages: Iterable[Stage]) -> float | None:
        """Return the seconds that these stages will take; None if nothing like them was measured before."""
        stages = tuple(stages)
        if not stages:
            return 0.0
        facts = stages[0].facts
        seconds_per_area = self._read().get(_pace_key(facts)) or published_pace(facts)
        if not seconds_per_area:
            return None
        return seconds_per_area * sum(work(stage) for stage in stages)

    def estimate_each(self, stages: Iterable[Stage]) -> tuple[float | None, ...]:
        """Return the seconds that each of these stages will take, None where that is unknown."""
        return tuple(self.estimate([stage]) for stage in stages)

    def learn(self, stage: Stage, seconds: float) -> None:
        """Update the average with the seconds that a stage took, decoding and writing included."""
        if work(stage) <= 0 or seconds <= 0:
            return
        averages, key = self._read(), _pace_key(stage.facts)
        average = seconds / work(stage)
        if key in averages:
            average = (1 - NEWEST_WEIGHT) * averages[key] + NEWEST_WEIGHT * average
        averages[key] = average
        newest = dict(list(averages.items())[-MAX_ENTRIES:])
        text = json.dumps(newest, indent=1)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, lambda path: path.write_text(text), flush=False)
        except OSError as fault:
            log.warning("the pace could not be stored: %s", fault)

    def _read(self) -> dict[str, float]:
        """Return the remembered seconds per tile area by key; nothing if the file is missing or damaged."""
        try:
            averages = json.loads(self.path.read_text())
            return {str(key): float(value) for key, value in averages.items() if float(value) > 0}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _pace_key(facts: Facts) -> str:
    """Return the key of a device, a model and a number format in the file."""
    return f"{facts.device} | {facts.name} | {facts.dtype}"

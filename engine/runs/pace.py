"""Estimate how long stages take from how long earlier stages took. Needs no torch.

A file holds the seconds per tile area (engine/planning/cost.py) for each device, model and number format, and for
each upscaler on them.
"""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from engine.catalogue.entries import Facts, published_pace
from engine.catalogue.upscalers import upscaler_record_name
from engine.planning.cost import denoising_cost, relative_cost, upscaling_cost
from engine.planning.stage import Stage
from engine.runs.files import write_atomically

log = logging.getLogger(__name__)

# The file under the folder of runs, and the folder that contains the file.
FOLDER, FILE = "pace", "pace.json"
# The weight of the newest stage in the running average. Old stages fade out, because a machine's load changes.
NEWEST_WEIGHT = 0.4
# The largest number of combinations of device, model and number format that the file remembers.
MAX_ENTRIES = 200


class Pace:
    """The speed of this machine, in a file that all processes share.

    Two processes that write at once may lose one of the two updates, which does no harm.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Use the file under this folder of runs. The file has a folder of its own, never served to browsers."""
        self.folder = Path(root) / FOLDER
        self.path = self.folder / FILE

    def estimate(self, stages: Iterable[Stage]) -> float | None:
        """Return the seconds that stages will take together; None if nothing is known of this device and model."""
        stages = tuple(stages)
        if not stages:
            return 0.0
        averages, facts = self._read(), stages[0].facts
        pace = averages.get(_pace_key(facts)) or published_pace(facts)
        total = 0.0
        for stage in stages:
            # Until an upscaler has run here, it is taken to be as fast for its operations as the model.
            upscaler_pace = averages.get(_pace_key(facts, stage.upscaler)) or pace
            for cost, seconds_per_area in (
                (denoising_cost(stage), pace),
                (upscaling_cost(stage), upscaler_pace),
            ):
                if cost and not seconds_per_area:
                    return None
                total += cost * (seconds_per_area or 0.0)
        return total

    def estimate_each(self, stages: Iterable[Stage]) -> tuple[float | None, ...]:
        """Return the seconds that each stage will take; None for a stage whose time is unknown."""
        return tuple(self.estimate([stage]) for stage in stages)

    def learn(self, stage: Stage, seconds: float) -> None:
        """Update the running average with a finished stage.

        Nothing can be learned from a stage in which an upscaler and denoising share the time.

        seconds: what the stage took, decoding and writing included.
        """
        if relative_cost(stage) <= 0 or seconds <= 0 or (upscaling_cost(stage) and denoising_cost(stage)):
            return
        upscaler = stage.upscaler if upscaling_cost(stage) else ""
        averages, key = self._read(), _pace_key(stage.facts, upscaler)
        average = seconds / relative_cost(stage)
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
        """Return the seconds per tile area in the file, by `_pace_key`; empty if the file is missing or damaged."""
        try:
            averages = json.loads(self.path.read_text())
            return {str(key): float(value) for key, value in averages.items() if float(value) > 0}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _pace_key(facts: Facts, upscaler: str = "") -> str:
    """Return the entry's name in the file for a device, a model, a number format and an upscaler.

    upscaler: its name or path; empty for the model's own network.
    """
    parts = [facts.device, facts.name, facts.dtype]
    return " | ".join([*parts, upscaler_record_name(upscaler)] if upscaler else parts)

"""Estimate how long stages take from how long earlier stages took. Needs no torch.

One file holds the seconds per tile area (engine/planning/cost.py) for each device, model and number format, and for
each upscaler on them; the other one the last seconds of each shape of stage on them, which are known better. A CPU
with another number of threads is another device.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from engine.catalogue.entries import Facts, published_pace
from engine.catalogue.upscalers import upscaler_record_name
from engine.planning.cost import denoising_cost, relative_cost, upscaling_cost
from engine.planning.stage import Stage
from engine.runs.files import write_atomically

log = logging.getLogger(__name__)

# The files under the folder of runs, and the folder that contains them.
FOLDER, FILE, SECONDS_FILE = "pace", "pace.json", "seconds.json"
# The number of times that are remembered of each shape of stage.
KEPT_SECONDS = 5
# The weight of the newest stage in the running average. Old stages fade out, because a machine's load changes.
NEWEST_WEIGHT = 0.4
# The largest number of entries that each file remembers.
MAX_ENTRIES = 200


class Pace:
    """The speed of this machine, in a file that all processes share.

    Two processes that write at once may lose one of the two updates, which does no harm.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Use the file under this folder of runs. The file has a folder of its own, never served to browsers."""
        self.folder = Path(root) / FOLDER
        self.path, self.seconds_path = self.folder / FILE, self.folder / SECONDS_FILE

    def estimate_range(self, stages: Iterable[Stage]) -> tuple[float, float] | None:
        """Return the least and the most seconds that stages will take together, by the last stages of these shapes.

        None if nothing is known of this device and model. Both are equal where no stage of these shapes is known.
        """
        measured, low, high = self._read_seconds(), 0.0, 0.0
        for stage in stages:
            known = measured.get(_shape_key(stage))
            if known:
                low, high = low + min(known), high + max(known)
                continue
            seconds = self.estimate([stage])
            if seconds is None:
                return None
            low, high = low + seconds, high + seconds
        return low, high

    def estimate(self, stages: Iterable[Stage]) -> float | None:
        """Return the seconds that stages will take together; None if nothing is known of this device and model."""
        stages = tuple(stages)
        if not stages:
            return 0.0
        averages, facts, measured = self._read(), stages[0].facts, self._read_seconds()
        pace = averages.get(_pace_key(facts)) or published_pace(facts)
        total = 0.0
        for stage in stages:
            known = measured.get(_shape_key(stage))
            if known:
                total += median(known)
                continue
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
        """Remember how long a finished stage took, and update the running average.

        Nothing can be learned for the average from a stage in which an upscaler and denoising share the time.

        seconds: what the stage took, decoding and writing included.
        """
        if seconds <= 0:
            return
        measured, shape = self._read_seconds(), _shape_key(stage)
        measured[shape] = [*measured.pop(shape, []), seconds][-KEPT_SECONDS:]
        self._write(self.seconds_path, measured)
        if relative_cost(stage) <= 0 or (upscaling_cost(stage) and denoising_cost(stage)):
            return
        upscaler = stage.upscaler if upscaling_cost(stage) else ""
        averages, key = self._read(), _pace_key(stage.facts, upscaler)
        average = seconds / relative_cost(stage)
        if key in averages:
            average = (1 - NEWEST_WEIGHT) * averages[key] + NEWEST_WEIGHT * average
        averages[key] = average
        self._write(self.path, averages)

    def _write(self, path: Path, values: Mapping[str, Any]) -> None:
        """Write the newest values to a file; a fault of the disk is only logged."""
        text = json.dumps(dict(list(values.items())[-MAX_ENTRIES:]), indent=1)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda partial: partial.write_text(text), flush=False)
        except OSError as fault:
            log.warning("the pace could not be stored: %s", fault)

    def _read_seconds(self) -> dict[str, list[float]]:
        """Return the last seconds of each shape of stage, by `_shape_key`; empty if the file is missing or damaged."""
        try:
            stored = json.loads(self.seconds_path.read_text())
            measured = {str(key): [float(each) for each in values] for key, values in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        return {key: values for key, values in measured.items() if values and min(values) > 0}

    def _read(self) -> dict[str, float]:
        """Return the seconds per tile area in the file, by `_pace_key`; empty if the file is missing or damaged."""
        try:
            averages = json.loads(self.path.read_text())
            return {str(key): float(value) for key, value in averages.items() if float(value) > 0}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _shape_key(stage: Stage) -> str:
    """Return a stage's name in the file of seconds: stages of one name do the same work on the same device."""
    work = f"{stage.rows} x {stage.cols} cells, {relative_cost(stage):.3f} areas"
    return f"{_pace_key(stage.facts, stage.upscaler)} | {work}"


def _pace_key(facts: Facts, upscaler: str = "") -> str:
    """Return the entry's name in the file for a device, a model, a number format and an upscaler.

    upscaler: its name or path; empty for the model's own network.
    """
    parts = [facts.device, facts.name, facts.dtype]
    return " | ".join([*parts, upscaler_record_name(upscaler)] if upscaler else parts)

"""The messages between the app and the processes of its workers, which are pickled on the way. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault
from engine.runs.events import Event
from engine.runs.prepare import PreparedRun


@dataclass(frozen=True)
class Settings:
    """How the process is set up. The arguments of a ModelPool, and the level of the log."""

    entries: tuple[ModelEntry, ...]
    device: str
    dtype: str
    offload: bool | None
    log_level: int


@dataclass(frozen=True)
class LoadModel:
    """Asks for a model to be loaded. The answer is Loaded or LoadFailed."""

    model: Any


@dataclass(frozen=True)
class MakeStage:
    """Asks for a stage. The answers are events, and StageEnded after them."""

    run: PreparedRun
    number: int
    model: Any


@dataclass(frozen=True)
class StopRun:
    """Asks that the stage in work stops if it belongs to this run's folder. There is no answer."""

    run: Path


@dataclass(frozen=True)
class Loaded:
    """A model is loaded."""

    facts: Facts
    # Free bytes on its device; None if unknown.
    free_memory: int | None


@dataclass(frozen=True)
class LoadFailed:
    """A model could not be loaded."""

    fault: Fault


@dataclass(frozen=True)
class StageEnded:
    """There are no more events of a stage."""

    # What is known of the model after it; None if the model could not be loaded.
    model: Loaded | None


# What the app sends, and what the process answers.
Order = LoadModel | MakeStage | StopRun
Answer = Loaded | LoadFailed | StageEnded | Event

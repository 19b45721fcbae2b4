"""Runs of a model, and what tests compare of them: events, latents, differences."""

import tempfile

import numpy as np
from safetensors.numpy import load_file

from engine import Failed, StageDone, generate


class StopAfter:
    """A stop signal that is set once it has been checked so many times."""

    def __init__(self, checks):
        self.left = checks

    def is_set(self):
        self.left -= 1
        return self.left < 0


def run_events(recipe, model, out, **more):
    """Run a recipe in a new folder under `out`, where no stage is cached; return its events, none a failure."""
    events = list(generate(recipe, model, out=tempfile.mkdtemp(dir=out), **more))
    assert not [e for e in events if isinstance(e, Failed)], events[-1]
    return events


def run_with_cache(recipe, model, out, **more):
    """Run a recipe in `out`, whose cached stages it uses; return its events."""
    return list(generate(recipe, model, out=out, **more))


def run_latents(recipe, model, out, **more):
    """Run a recipe without cached stages and return the finished latents of every stage."""
    events = run_events(recipe, model, out, **more)
    return [load_file(event.latents)["latents"] for event in stage_done_events(events)]


def latent_bytes(event):
    """Read the latents of a StageDone event as bytes."""
    return load_file(event.latents)["latents"].tobytes()


def last_stage(events):
    """Return the StageDone event of a run's last stage, whether it was made or taken from the cache."""
    return max([*events[0].kept, *stage_done_events(events)], key=lambda event: event.stage)


def single_event(events):
    """Return the only event of a run."""
    (event,) = events
    return event


def event_types(events):
    """Return the class of every event."""
    return [type(event) for event in events]


def stage_done_events(events):
    """Return the StageDone events alone."""
    return [event for event in events if isinstance(event, StageDone)]


def max_difference(a, b):
    """Return the largest absolute difference of two arrays, in standard deviations of b."""
    return float(np.abs(a - b).max() / b.std())

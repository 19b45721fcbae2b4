"""Facts without a model, networks whose answer is known, and runs reduced to what a test compares."""

import tempfile

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from engine import Failed, Recipe, StageDone, generate, loop
from engine.catalogue.entries import Defaults, Facts, family_buckets
from engine.formulas.noise import Noise
from engine.planning.plan import plan
from engine.sampling.denoiser import Denoiser
from engine.sampling.solver import Solver
from engine.sampling.start import Inputs
from tests.support.tiny import SCHEDULER

SDXL_SCHEDULER = SCHEDULER | {"_class_name": "EulerDiscreteScheduler"}


def facts(window=128, channels=4, scheduler=SDXL_SCHEDULER, **changes):
    """An SDXL-shaped model's facts; its real size unless told otherwise."""
    return Facts(
        **{
            "name": "toy",
            "family": "sdxl",
            "window": window,
            "cell": 8,
            "channels": channels,
            "scheduler": {"prediction_type": "epsilon"} | scheduler,
            "defaults": Defaults(50, 7.5, "model", (1.0, 2.0, 4.0)),
            "buckets": family_buckets("sdxl", window * 8),
        }
        | changes
    )


class Watched(Solver):
    """A solver that lets a network with known predictions ask for the present step, and keeps every canvas."""

    present = None
    canvases: list

    def __init__(self, *args):
        super().__init__(*args)
        Watched.present, self.canvases = self, []

    def model_input(self, z, step):
        self.i = step.index
        self.canvases.append((step.index, z))
        return super().model_input(z, step)

    def step(self, *args):
        self.end = super().step(*args)
        return self.end

    @property
    def present_level(self):
        return self.input_level(self.i)


class Known:
    """A network whose predictions are known, on the CPU."""

    device = torch.device("cpu")


class AllNoise(Known):
    """Predicts that its whole input is noise: x0 is zero."""

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        alpha, sigma = Watched.present.present_level
        return latents / sigma if Watched.present.predicts_noise else latents * alpha / sigma


class Wants(Known):
    """Predicts the posterior mean of pictures that are `target` plus or minus 1, away from an anchor at zero."""

    def __init__(self, target=1.0):
        self.target = target

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        alpha, sigma = Watched.present.present_level
        x0 = self.target + alpha * (latents - alpha * self.target)
        return (latents - alpha * x0) / sigma


class Echo(Known):
    """Predicts its own input."""

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        return latents


class StopAfter:
    """Is set after it was asked so many times."""

    def __init__(self, times):
        self.left = times

    def is_set(self):
        self.left -= 1
        return self.left < 0


def watch(monkeypatch, network, facts, recipe, below=None):
    """Run the loop with a known network; return the solver of each stage, in order."""
    solvers = []

    class Kept(Watched):
        def __init__(self, *args):
            super().__init__(*args)
            solvers.append(self)

    monkeypatch.setattr(loop, "Solver", Kept)
    planned = plan(recipe, facts)
    denoiser = Denoiser(network, None, planned.stages[0].guidance_passes, 16)
    ahead = planned.stages[below.stage.number if below else 0 :]
    for _ in loop.sample_stages(ahead, below, Inputs(denoiser, Noise(planned.recipe.seed))):
        pass
    return solvers


def slowly(*values):
    """Values of a test that are tried only when slow tests are asked for."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def told(recipe, model, out, **more):
    """All events of a run that must not fail, in a root of its own, where no other stage can be found."""
    events = list(generate(recipe, model, out=tempfile.mkdtemp(dir=out), **more))
    assert not [e for e in events if isinstance(e, Failed)], events[-1]
    return events


def run(recipe, model, out, **more):
    """All events of a run in a root that others may share."""
    return list(generate(recipe, model, out=out, **more))


def bytes_of(event):
    return load_file(event.latents)["latents"].tobytes()


def last(events):
    """The last stage that a run has, made or kept."""
    return max([*events[0].kept, *done(events)], key=lambda event: event.stage)


def failed(events):
    (event,) = events
    return event


def kinds(events):
    return [type(event) for event in events]


def done(events):
    return [event for event in events if isinstance(event, StageDone)]


def latents(recipe, model, out, **more):
    """The finished latents of every stage."""
    return [load_file(event.latents)["latents"] for event in done(told(recipe, model, out, **more))]


def apart(a, b):
    """Largest difference, in deviations of b."""
    return float(np.abs(a - b).max() / b.std())


def small(**changes):
    """A recipe that a tiny model carries out in about a second."""
    return Recipe(**{"prompt": "a red house", "scales": (1, 2), "steps": 6, "seed": 1} | changes)


def patches(path, height=256, width=256):
    """A picture of coloured squares in a file; its path."""
    colours = np.random.RandomState(0).randint(0, 256, (height // 32, width // 32, 3), np.uint8)
    Image.fromarray(colours.repeat(32, 0).repeat(32, 1)).save(path)
    return str(path)


def scene(path, side):
    """A picture with shapes and a slope of colour: edges run in all directions. It is kept at the path."""
    slope = np.linspace(40, 120, side, dtype=np.uint8)[:, None].repeat(side, 1)
    picture = Image.fromarray(slope).convert("RGB")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((side * 0.1, side * 0.15, side * 0.5, side * 0.6), fill=(230, 60, 50))
    corners = [(side * 0.55, side * 0.9), (side * 0.75, side * 0.3), (side * 0.95, side * 0.9)]
    pen.polygon(corners, fill=(60, 200, 230))
    pen.rectangle((side * 0.2, side * 0.7, side * 0.45, side * 0.95), fill=(250, 240, 120))
    picture.save(path)
    return picture


def total(cost, planned):
    """The cost of a plan: that of its stages, summed."""
    return sum(map(cost, planned.stages))

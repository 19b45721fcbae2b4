"""Trains one part of Postcards.

python -m lab.training.train PART [--minutes 40] [--from FOLDER] [--to FOLDER]

PART is pilot, vae, sharpen, decoder, judge, base, control, relay-first, relay, upscaler or
turbo.

An interrupted training continues where it was: its state lies under .training/. With --from a new one begins
with the weights of a folder, a fresh optimizer and a short warm-up. The log gets a line every minute, and a
grid of sample pictures is drawn, as long as that takes no more than a tenth of the time. Averaged weights are
written to --to.
"""

import argparse
import copy
import logging
import time
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lab.training.course import COOLING, Course

log = logging.getLogger("lab.training.train")

# The folder that holds a state for each part.
STATES = Path(".training")
# Batches until the learning rate has risen to its full value.
WARM_UP = 100
# Share of the averaged weights that each batch keeps.
AVERAGE_DECAY = 0.999
# Seconds of training between log lines, and between states on disk.
LOG_INTERVAL, SAVE_INTERVAL = 60.0, 300.0
# The next grid is drawn after this many times as much training as the last one took to draw.
GRID_COST_FACTOR = 10
# Options that not all courses have.
OPTIONS = ("lessons", "batch", "small", "seed", "rate", "cooling", "focus")


def rate_at(batch: int, share: float, cooling: float = COOLING) -> float:
    """Return the learning rate as a share of the full one: it rises at first and falls to a tenth at the end.

    batch: number of the batch. share: how much of the time has passed. cooling: the share in which it falls.
    """
    cooled = max(0.0, share - (1 - cooling)) / cooling
    return min(1.0, (batch + 1) / WARM_UP) * (1 - 0.9 * min(1.0, cooled))


class Average:
    """The exponential moving average of a module's weights; in the first batches it follows faster."""

    def __init__(self, module: nn.Module) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, module: nn.Module, batch: int) -> None:
        """Move the average towards the module's weights, as they are after the batch of this number."""
        keep = min(AVERAGE_DECAY, (1 + batch) / (10 + batch))
        mine, theirs = list(self.module.state_dict().values()), list(module.state_dict().values())
        floating = [k for k, value in enumerate(mine) if value.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floating], [theirs[k] for k in floating], 1 - keep)


class Training:
    """Runs a course for some minutes in all, and keeps its state on disk, so that it can be interrupted."""

    def __init__(self, course: Course, minutes: float, folder: Path) -> None:
        self.course, self.duration, self.folder = course, 60 * minutes, folder
        self.optimizer = torch.optim.AdamW(
            course.learner.parameters(), course.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.average = Average(course.learner)
        # The number of the next batch, and seconds of training so far.
        self.batch, self.spent = 0, 0.0
        # When the last grid was drawn, in seconds of training, and how long that took.
        self.last_grid = self.grid_seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> Path:
        """The file of the state."""
        return self.folder / "state.pt"

    def resume(self) -> bool:
        """Load the state on disk; return whether there is one."""
        if not self.state.is_file():
            return False
        state = torch.load(self.state, map_location="cpu", weights_only=True)
        self.course.learner.load_state_dict(state["learner"])
        self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batch, self.spent = state["batch"], state["spent"]
        return True

    def save(self) -> None:
        """Write the state to disk."""
        state = {
            "learner": self.course.learner.state_dict(),
            "average": self.average.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batch": self.batch,
            "spent": self.spent,
        }
        partial = self.state.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.state)

    def run(self, to: Path) -> None:
        """Train until the time is over; then and every few minutes write state and weights."""
        if self.spent >= self.duration:
            log.info(
                "%.0f minutes are over; --minutes gives more, --from begins a new training",
                self.duration / 60,
            )
            return
        logged = saved = self.spent
        sums: dict[str, float] = {}
        counted = 0
        for batch in self.course.batches(self.batch):
            began = time.perf_counter()
            numbers = self.train_batch(batch)
            self.spent += time.perf_counter() - began
            counted += 1
            for name, value in numbers.items():
                sums[name] = sums.get(name, 0.0) + value
            if self.spent - logged >= LOG_INTERVAL or self.spent >= self.duration:
                self.log_progress({name: value / counted for name, value in sums.items()})
                logged, sums, counted = self.spent, {}, 0
            if self.spent - saved >= SAVE_INTERVAL or self.spent >= self.duration:
                self.save()
                self.course.write(self.average.module, to)
                saved = self.spent
            if self.spent >= self.duration:
                return

    def train_batch(self, batch: Any) -> dict[str, float]:
        """Take one optimizer step, unless the gradient overflows; return the loss's numbers."""
        share = min(1.0, self.spent / self.duration)
        for group in self.optimizer.param_groups:
            group["lr"] = self.course.rate * rate_at(self.batch, share, self.course.cooling)
        loss, numbers = self.course.loss(batch, share)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.course.learner.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.course.learner, self.batch)
        self.batch += 1
        return numbers

    def log_progress(self, numbers: dict[str, float]) -> None:
        """Log the numbers, and draw a grid if the last one is long enough ago."""
        line = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        log.info("%5.1f min  batch %6d  %s", self.spent / 60, self.batch, line)
        if self.spent < self.duration and self.spent - self.last_grid < GRID_COST_FACTOR * self.grid_seconds:
            return
        began = time.perf_counter()
        self.course.grid(self.average.module).save(self.folder / "grid.png")
        self.last_grid, self.grid_seconds = self.spent, time.perf_counter() - began


def courses() -> dict[str, Any]:
    """Return the course of each part by its name."""
    from lab.training.base import BaseCourse
    from lab.training.controlnet import ControlNetCourse
    from lab.training.judge_course import JudgeCourse
    from lab.training.pilot import PilotCourse
    from lab.training.relay import RelayCourse, RelayFirstCourse
    from lab.training.sharpen import DecoderCourse, SharpenCourse
    from lab.training.turbo import TurboCourse
    from lab.training.upscaler import UpscalerCourse
    from lab.training.vae import VaeCourse

    return {
        "pilot": PilotCourse,
        "vae": VaeCourse,
        "sharpen": SharpenCourse,
        "decoder": DecoderCourse,
        "judge": JudgeCourse,
        "base": BaseCourse,
        "control": ControlNetCourse,
        "relay-first": RelayFirstCourse,
        "relay": RelayCourse,
        "upscaler": UpscalerCourse,
        "turbo": TurboCourse,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.training.train", description=__doc__)
    parser.add_argument("part", choices=list(courses()))
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--from", dest="source", type=Path, help="a pipeline folder to begin with")
    parser.add_argument("--to", type=Path, default=STATES / "postcards")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--lessons", type=int, help="number of different lessons")
    parser.add_argument("--batch", type=int, help="lessons in a batch")
    parser.add_argument("--seed", type=int, help="chooses the lessons, for base, control and judge")
    parser.add_argument(
        "--small", type=float, help="first share of the time at half the size, for base, control and judge"
    )
    parser.add_argument("--rate", type=float, help="the full learning rate, for base")
    parser.add_argument(
        "--cooling", type=float, help="last share of the time, in which the rate falls, for base"
    )
    parser.add_argument("--focus", nargs="+", help="classes that half of the lessons show, for base")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = torch.device(arguments.device)
    options = {name: getattr(arguments, name) for name in OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    course_class = courses()[arguments.part]
    unknown = sorted(options.keys() - signature(course_class).parameters.keys())
    if unknown:
        raise SystemExit(f"{arguments.part} has no option --{', --'.join(unknown)}")
    course = course_class(arguments.source, device, **options)
    training = Training(course, arguments.minutes, STATES / arguments.part)
    if training.resume():
        log.info("continues after %.1f minutes, batch %d", training.spent / 60, training.batch)
    training.run(arguments.to)


if __name__ == "__main__":
    main()

"""Training of Postcards, a part at a time.

python -m lab.training.train PART [--minutes 40] [--from FOLDER] [--to FOLDER]

PARTs are pilot, vae, sharpen, decoder, judge, base and control.

Goes on where it was interrupted (its state lies under .training/); --from begins with the weights of a
folder, a fresh optimizer and a short warm-up. A log line every minute, and a picture grid, if drawing it is
no more than a tenth of the work; what it writes are the averaged weights.
"""

import argparse
import copy
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

log = logging.getLogger("lab.training.train")

STATES = Path(".training")
POSTCARDS = Path("assets/postcards")
WARM_UP = 100
"""Batches until the learning rate is whole."""
COOLING = 0.25
"""Last share of the time, in which the learning rate falls to a tenth, unless a course says otherwise."""
KEEP = 0.999
"""Of the averaged weights, at every batch."""
EVERY, SAVED_EVERY = 60.0, 300.0
"""Seconds between log lines, and between states on disk."""
RARELY = 10
"""Times as long as a grid took to draw is learned before the next one is."""


class Course(Protocol):
    """One part's training: what is taught, from what, and how it looks."""

    learner: nn.Module
    rate: float
    cooling: float

    def batches(self, first: int) -> Iterator[Any]:
        """Batches from this number on."""

    def loss(self, batch: Any, share: float) -> tuple[Tensor, dict[str, float]]:
        """What the learner is to lower, and numbers for the log. share: of the whole time, 0 to 1."""

    def grid(self, learned: nn.Module) -> Image.Image:
        """Pictures that show how far it is."""

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Puts the learned part among the others."""


def rate_at(batch: int, share: float, cooling: float = COOLING) -> float:
    """Share of the full learning rate: rises over the warm-up, falls to a tenth over the last share."""
    cooled = max(0.0, share - (1 - cooling)) / cooling
    return min(1.0, (batch + 1) / WARM_UP) * (1 - 0.9 * min(1.0, cooled))


class Average:
    """The exponential average of a module's weights; young averages forget faster."""

    def __init__(self, module: nn.Module) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self, module: nn.Module, batch: int) -> None:
        keep = min(KEEP, (1 + batch) / (10 + batch))
        mine, theirs = list(self.module.state_dict().values()), list(module.state_dict().values())
        floating = [k for k, value in enumerate(mine) if value.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floating], [theirs[k] for k in floating], 1 - keep)


class Training:
    """A course, carried on for some minutes, whatever interrupts it."""

    def __init__(self, course: Course, minutes: float, folder: Path) -> None:
        self.course, self.whole, self.folder = course, 60 * minutes, folder
        self.optimizer = torch.optim.AdamW(
            course.learner.parameters(), course.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.average = Average(course.learner)
        self.batch, self.spent = 0, 0.0
        self.drawn = self.drawing = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"

    def resume(self) -> bool:
        """Takes up the state on disk, if there is one."""
        if not self.state.is_file():
            return False
        state = torch.load(self.state, map_location="cpu", weights_only=True)
        self.course.learner.load_state_dict(state["learner"])
        self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batch, self.spent = state["batch"], state["spent"]
        return True

    def save(self) -> None:
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
        """Learns until the time is over; then, and every few minutes, writes what is learned."""
        if self.spent >= self.whole:
            log.info("has had its %.0f minutes; --minutes gives more, --from begins anew", self.whole / 60)
            return
        told = saved = self.spent
        sums: dict[str, float] = {}
        counted = 0
        for batch in self.course.batches(self.batch):
            began = time.perf_counter()
            numbers = self.learn(batch)
            self.spent += time.perf_counter() - began
            counted += 1
            for name, value in numbers.items():
                sums[name] = sums.get(name, 0.0) + value
            if self.spent - told >= EVERY or self.spent >= self.whole:
                self.tell({name: value / counted for name, value in sums.items()})
                told, sums, counted = self.spent, {}, 0
            if self.spent - saved >= SAVED_EVERY or self.spent >= self.whole:
                self.save()
                self.course.write(self.average.module, to)
                saved = self.spent
            if self.spent >= self.whole:
                return

    def learn(self, batch: Any) -> dict[str, float]:
        share = min(1.0, self.spent / self.whole)
        for group in self.optimizer.param_groups:
            group["lr"] = self.course.rate * rate_at(self.batch, share, self.course.cooling)
        loss, numbers = self.course.loss(batch, share)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.course.learner.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.follow(self.course.learner, self.batch)
        self.batch += 1
        return numbers

    def tell(self, numbers: dict[str, float]) -> None:
        line = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        log.info("%5.1f min  batch %6d  %s", self.spent / 60, self.batch, line)
        if self.spent < self.whole and self.spent - self.drawn < RARELY * self.drawing:
            return
        began = time.perf_counter()
        self.course.grid(self.average.module).save(self.folder / "grid.png")
        self.drawn, self.drawing = self.spent, time.perf_counter() - began


def halves(device: torch.device) -> bool:
    """Whether bfloat16 is computed there. A CPU without AVX-512 imitates it, ten times slower."""
    return device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def half(device: torch.device) -> Iterator[None]:
    """bfloat16 where it is computed; on a CPU plain attention, as its fused backward takes a quarter of a
    batch's time.
    """
    plain: AbstractContextManager[Any] = (
        sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
    )
    with plain, torch.autocast(device.type, torch.bfloat16, enabled=halves(device)):
        yield


def courses() -> dict[str, Any]:
    """Every part by its name; imported when asked for, as some need more than others."""
    from lab.training.base import Base
    from lab.training.controlnet import Control
    from lab.training.judge_course import JudgeCourse
    from lab.training.pilot import Pilot
    from lab.training.sharpen import Decoding, Sharpening
    from lab.training.vae import Vae

    return {
        "pilot": Pilot,
        "vae": Vae,
        "sharpen": Sharpening,
        "decoder": Decoding,
        "judge": JudgeCourse,
        "base": Base,
        "control": Control,
    }


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.training.train", description=__doc__)
    asked.add_argument("part", choices=list(courses()))
    asked.add_argument("--minutes", type=float, default=40)
    asked.add_argument("--from", dest="source", type=Path, help="a folder to begin with")
    asked.add_argument("--to", type=Path, default=STATES / "postcards")
    asked.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked.add_argument("--lessons", type=int, help="different lessons, for base, control and pilot")
    asked.add_argument("--batch", type=int, help="lessons a batch")
    asked.add_argument("--seed", type=int, help="which lessons, for base, control and judge; 0 had the first")
    asked.add_argument(
        "--small", type=float, help="share of the time at half the side, for base, control, judge"
    )
    given = asked.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = torch.device(given.device)
    options = {name: getattr(given, name) for name in ("lessons", "batch", "small", "seed")}
    options = {name: value for name, value in options.items() if value is not None}
    taught = courses()[given.part]
    foreign = sorted(options.keys() - signature(taught).parameters.keys())
    if foreign:
        raise SystemExit(f"{given.part} knows no --{', --'.join(foreign)}")
    course = taught(given.source, device, **options)
    training = Training(course, given.minutes, STATES / given.part)
    if training.resume():
        log.info("goes on after %.1f minutes, batch %d", training.spent / 60, training.batch)
    training.run(given.to)


if __name__ == "__main__":
    main()

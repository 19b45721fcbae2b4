"""Show on standard error how far a run is: a bar for each stage on a terminal, elsewhere a line. No torch."""

import sys

from tqdm import tqdm

from engine import errors
from engine.command_line.arguments import option_name
from engine.planning.plan import Plan
from engine.runs.events import (
    Accepted,
    Event,
    Failed,
    Finished,
    Progress,
    Retreated,
    StageDone,
    Stopped,
    Upscaling,
)

# The layout of a bar, in tqdm's terms.
BAR_FORMAT = "{desc} |{bar:30}| {percentage:3.0f}% [{elapsed}<{remaining}{postfix}]"


class ProgressDisplay:
    """Shows the events of one run."""

    def __init__(self, quiet: bool = False) -> None:
        """quiet: whether to show nothing."""
        self.quiet = quiet
        self._bars = sys.stderr.isatty() and not quiet
        self._plan: Plan | None = None
        # The number of evaluations in the stages that this run has finished.
        self._evaluations = 0
        # The open bar, and what it shows: the number of the stage, and whether an upscaler is at work.
        self._bar: tqdm | None = None
        self._shown: tuple[int, bool] | None = None

    def show(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Accepted():
                self._show_accepted(event)
            case Upscaling():
                self._advance(event.stage, event.tile, event.tiles, f"tile {event.tile} of {event.tiles}")
            case Progress():
                done, step = event.evaluations - self._evaluations, f"step {event.step} of {event.steps}"
                self._advance(event.stage, done, self._planned_evaluations(event.stage), step)
            case Retreated():
                self.note(errors.MEMORY_RETREAT)
            case StageDone():
                self._evaluations += event.evaluations
                self._show_stage(event)
            case Finished() | Stopped() | Failed():
                self.close()

    def note(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        if not self.quiet:
            tqdm.write(sentence, file=sys.stderr)

    def close(self, complete: bool = False) -> None:
        """Close the open bar. complete: whether what it shows is finished."""
        if self._bar is not None:
            if complete:
                self._bar.update(self._bar.total - self._bar.n)
            self._bar.close()
        self._bar = self._shown = None

    def _show_accepted(self, event: Accepted) -> None:
        """Show the stages that need not be made, and what a person should know before the run."""
        self._plan = event.plan
        for stage in event.kept:
            self.note(f"{self._title(stage.stage)}: already there")
        if event.unused:
            self.note(errors.WITHOUT_EFFECT.format(names=", ".join(map(option_name, event.unused))))
        for sentence in event.notes:
            self.note(sentence)

    def _show_stage(self, event: StageDone) -> None:
        """Show that a stage is finished."""
        self.close(complete=True)
        if not self._bars:
            self.note(f"{self._title(event.stage)}: made in {event.seconds:.1f} s")

    def _advance(self, stage: int, done: int, total: int, detail: str) -> None:
        """Move the progress bar of a stage; open a new bar if this one is not open.

        done, total: finished steps or tiles of the stage, and all of them.
        detail: the text behind the bar.
        """
        if not self._bars:
            return
        shown = (stage, detail.startswith("tile"))
        if shown != self._shown:
            self.close(complete=True)
            self._bar = tqdm(total=total, desc=self._title(stage), bar_format=BAR_FORMAT, file=sys.stderr)
            self._shown = shown
        if self._bar is not None:
            self._bar.set_postfix_str(detail, refresh=False)
            self._bar.update(done - self._bar.n)

    def _title(self, stage: int) -> str:
        """Return the name and the size of a stage."""
        if self._plan is None:
            return f"Stage {stage}"
        height, width = self._plan.stages[stage - 1].size
        return f"Stage {stage} of {len(self._plan.stages)}, {width} x {height} px"

    def _planned_evaluations(self, stage: int) -> int:
        """Return the number of evaluations in a stage."""
        return self._plan.stages[stage - 1].evaluations if self._plan else 0

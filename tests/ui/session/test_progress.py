"""The state of a run as its events tell it, and the time that is left."""

from pathlib import Path

import pytest

from engine import Accepted, Progress, Recipe, StageDone, Waiting, plan
from tests.support.planning import make_facts
from ui.session.progress import RunProgress

PLANNED = plan(Recipe(scales=(1, 2, 4)), make_facts())
ACCEPTED = Accepted("run", PLANNED.recipe, (), PLANNED.evaluations, 1, plan=PLANNED)
SECONDS = (10.0, 20.0, 40.0)


def begun(*events):
    """A run that has been accepted, and whose clock stands still."""
    progress = RunProgress(Path("run"), clock=lambda: 0.0)
    progress.take_events([ACCEPTED, *events])
    return progress


@pytest.mark.parametrize(
    ("limits", "left"),
    [({}, 70), ({"until": 2}, 30), ({"pause_after": 1}, 10), ({"until": 3, "pause_after": 2}, 30)],
)
def test_the_time_left_ends_where_the_run_ends_or_pauses(limits, left):
    progress = begun(Progress(1, 0, 10, 0, PLANNED.evaluations))
    for name, stage in limits.items():
        setattr(progress, name, stage)
    assert progress.seconds_left(SECONDS) == (10, left)


def test_the_time_left_falls_as_a_stage_goes_on():
    base, second, _ = PLANNED.stages
    done = StageDone(1, 1.0, base.size, "", "", 1.0, base.evaluations)
    half = base.evaluations + second.evaluations // 2
    progress = begun(done, Progress(2, 5, 10, half, PLANNED.evaluations))
    assert progress.seconds_left(SECONDS) == (pytest.approx(10, abs=0.5), pytest.approx(50, abs=0.5))


def test_a_run_that_waits_in_the_middle_of_a_stage_begins_the_stage_anew():
    progress = begun(Progress(1, 3, 10, 3, PLANNED.evaluations), Waiting(1, 5.0))
    assert progress.waiting == Waiting(1, 5.0)
    assert progress.last_progress is progress.first_progress is None
    progress.take_events([Waiting(0, 0.0)])
    assert progress.waiting is None


def test_the_time_until_the_turn_is_counted_down():
    now = [100.0]
    progress = RunProgress(Path("run"), clock=lambda: now[0])
    assert progress.waiting_seconds is None
    progress.take_events([Waiting(1, 30.0)])
    now[0] += 10
    assert progress.waiting_seconds == 20
    now[0] += 50
    assert progress.waiting_seconds == 0

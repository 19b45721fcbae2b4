"""Tests of how often a page is updated while its run goes on."""

from types import SimpleNamespace

import pytest

from engine import Recipe, plan
from engine.runs.events import Accepted, Finished, Progress, StageDone, Waiting
from tests.support.planning import make_facts
from tests.support.waiting import run_async
from ui.actions import runs
from ui.session.progress import RunProgress
from ui.session.session import Session
from ui.session.streams import EventStreams


@pytest.mark.parametrize(("age", "seconds"), [(0, 0.3), (6, 0.3), (10, 0.5), (20, 1.0), (3600, 1.0)])
def test_the_page_is_updated_less_often_the_longer_a_run_goes_on(age, seconds):
    assert runs.update_interval(age) == pytest.approx(seconds)


def test_a_finished_stage_and_the_end_update_the_page_at_once_but_steps_do_not(monkeypatch):
    step = Progress(1, 1, 20, 2, 40)
    stage_done = StageDone(1, 1.0, (64, 64), "picture.png", "latents.safetensors", 1.0, 40)
    batches = iter([[step], [], [step, stage_done], [step], [step, Finished(1)]])
    progress = SimpleNamespace(name="run", next_event=0, end=None, waiting_seconds=None)
    queue = SimpleNamespace(
        mark_watched=lambda name: None, events_since=lambda name, first: (next(batches), first + 1)
    )
    applied, shown = [], []

    def apply_events(session, services, progress, events):
        applied.extend(events)
        progress.end = next((event for event in events if isinstance(event, Finished)), None)

    async def watch():
        async for _ in runs.follow_run(
            Session(), SimpleNamespace(queue=queue, streams=EventStreams()), progress
        ):
            shown.append(len(applied))

    monkeypatch.setattr(runs, "_apply_events", apply_events)
    monkeypatch.setattr(runs, "POLL_INTERVAL", 0)
    monkeypatch.setattr(runs, "MIN_UPDATE_INTERVAL", 1e9)
    run_async(watch())
    assert shown == [3, 6]


def updates_while_followed(monkeypatch, batches, waiting_seconds=None):
    """Follow a run whose events come in batches, without pauses; return how many batches each update has seen."""
    batches, shown = iter(batches), []
    progress = SimpleNamespace(name="run", next_event=0, end=None, waiting_seconds=waiting_seconds)
    queue = SimpleNamespace(
        mark_watched=lambda name: None,
        events_since=lambda name, first: (next(batches, [Finished(1)]), first + 1),
    )

    def apply_events(session, services, progress, events):
        progress.end = events[0] if isinstance(events[0], Finished) else None

    async def watch():
        services = SimpleNamespace(queue=queue, streams=EventStreams())
        async for _ in runs.follow_run(Session(), services, progress):
            shown.append(progress.next_event)

    monkeypatch.setattr(runs, "_apply_events", apply_events)
    for name in ("POLL_INTERVAL", "WAITING_UPDATE_INTERVAL", "MIN_UPDATE_INTERVAL", "MAX_UPDATE_INTERVAL"):
        monkeypatch.setattr(runs, name, 0)
    run_async(watch())
    return shown


def test_steps_update_the_page_once_the_interval_has_passed(monkeypatch):
    assert updates_while_followed(monkeypatch, [[Progress(1, n, 20, n, 40)] for n in range(1, 4)]) == [
        1,
        2,
        3,
        4,
    ]


def test_the_time_until_a_waiting_runs_turn_is_counted_down(monkeypatch):
    assert updates_while_followed(monkeypatch, [[Waiting(1, 60.0)], [], []], waiting_seconds=60.0) == [
        1,
        2,
        3,
        4,
    ]


def test_nothing_is_updated_while_nothing_happens(monkeypatch):
    assert updates_while_followed(monkeypatch, [[], [], []]) == [4]


def test_the_end_says_how_many_stages_were_already_made(tmp_path):
    planned = plan(Recipe(scales=(1, 2)), make_facts())
    base, large = (
        StageDone(n, 1.0, stage.size, "", "", 3.0 * n, stage.evaluations)
        for n, stage in enumerate(planned.stages, 1)
    )
    progress = RunProgress(tmp_path)
    accepted = Accepted("run", planned.recipe, (), large.evaluations, 2, kept=(base,), plan=planned)
    progress.take_events([accepted, large, Finished(2)])
    services = SimpleNamespace(cache=SimpleNamespace(max_age=86400.0))
    text, is_fault = runs.describe_end(progress.end, services, progress)
    assert "Done in 6 s" in text
    assert "2 stages, 1 of them already made" in text
    assert not is_fault

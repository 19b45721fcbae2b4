"""Runs in the queue are stopped, paused, watched and forgotten."""

from pathlib import Path

import pytest

from engine import Fault, Finished, Preview, Progress, Recipe, StageDone, Stopped, Waiting
from engine.recipe.controls import Control
from engine.runs.cache import RunCache
from engine.runs.events import END
from engine.runs.owner import is_owner
from engine.serving.entry import Request
from engine.serving.queue import QueueFull, RunQueue, UnknownRun
from tests.support.fake_runs import last_event, submit_prompt
from tests.support.waiting import wait_until


def test_a_waiting_run_can_be_stopped_and_never_starts(queue, fake_runs):
    fake_runs.hold()
    first = submit_prompt(queue, "a")
    fake_runs.started.wait()
    second = submit_prompt(queue, "b")
    queue.stop(second)
    fake_runs.release(1)
    assert last_event(queue, second) == Stopped(0, 0)
    fake_runs.release()
    last_event(queue, first)
    assert ("b", 1) not in fake_runs.finished_stages


def test_a_run_between_two_stages_can_be_stopped_while_another_is_active(queue, fake_runs):
    fake_runs.hold()
    first, second = submit_prompt(queue, "a"), submit_prompt(queue, "b")
    fake_runs.release(fake_runs.steps)
    for event in queue.follow(first):
        if isinstance(event, StageDone):
            break
    queue.stop(first)
    fake_runs.release(1)
    assert last_event(queue, first) == Stopped(2, 0)
    fake_runs.release()
    assert last_event(queue, second) == Finished(3)


def test_an_active_run_stops_before_its_next_step(queue, fake_runs):
    fake_runs.hold()
    run = submit_prompt(queue, "a")
    fake_runs.started.wait()
    queue.stop(run)
    fake_runs.release()
    assert last_event(queue, run) == Stopped(1, 2)


def test_stopping_a_run_that_has_ended_changes_nothing(queue):
    run = submit_prompt(queue, "a")
    assert last_event(queue, run) == Finished(3)
    queue.stop(run)
    assert last_event(queue, run) == Finished(3)


def test_a_run_that_nobody_watches_is_stopped(queue, fake_runs, clock):
    fake_runs.hold()
    left, watched = submit_prompt(queue, "a"), submit_prompt(queue, "b")
    fake_runs.started.wait()
    clock.now += queue.unwatched_seconds + 1
    queue.mark_watched(watched)
    fake_runs.release()
    assert last_event(queue, watched) == Finished(3)
    assert [event for event in queue.events_since(left)[0] if isinstance(event, END)] == [Stopped(1, 2)]


def test_reading_the_events_of_a_run_does_not_count_as_watching_it(queue, fake_runs, clock):
    fake_runs.hold()
    run = submit_prompt(queue, "a")
    fake_runs.started.wait()
    clock.now += queue.unwatched_seconds + 1
    queue.events_since(run)
    fake_runs.release()
    wait_until(lambda: not queue.active_runs())
    assert queue.events_since(run)[0][-1] == Stopped(1, 2)


def test_a_client_has_at_most_so_many_runs_in_the_queue_and_others_still_find_a_place(queue, fake_runs):
    fake_runs.hold()
    queue.max_per_client = 2
    runs = [queue.submit(Request(Recipe(prompt=prompt), client="10.0.0.1")) for prompt in "ab"]
    with pytest.raises(QueueFull, match="2 of your runs are waiting or in progress"):
        queue.submit(Request(Recipe(prompt="c"), client="10.0.0.1"))
    other = queue.submit(Request(Recipe(prompt="c"), client="10.0.0.2"))
    fake_runs.release()
    assert last_event(queue, other) == last_event(queue, runs[1]) == Finished(3)
    queue.submit(Request(Recipe(prompt="d"), client="10.0.0.1"))


def test_runs_without_a_client_are_not_limited(queue, fake_runs):
    fake_runs.hold()
    queue.max_per_client = 1
    first, second = submit_prompt(queue, "a"), submit_prompt(queue, "b")
    fake_runs.release()
    assert last_event(queue, second) == last_event(queue, first) == Finished(3)


def test_a_run_belongs_to_the_owner_of_its_request(queue, tmp_path):
    run = queue.submit(Request(Recipe(prompt="a"), owner="5" * 32))
    assert is_owner(tmp_path / run, "5" * 32)
    assert not is_owner(tmp_path / run, "6" * 32)
    last_event(queue, run)


def test_a_log_can_be_followed_from_any_event_by_several_readers(queue):
    run = submit_prompt(queue, "a")
    last_event(queue, run)
    whole, after = queue.events_since(run)
    assert queue.events_since(run, after) == ([], after)
    assert queue.events_since(run, after - 1) == ([Finished(3)], after)
    assert list(queue.follow(run)) == list(queue.follow(run)) == whole


def test_after_the_end_no_transient_event_is_kept(queue, fake_runs):
    fake_runs.hold()
    run = submit_prompt(queue, "a")
    fake_runs.release(1)
    fake_runs.permits.acquire(timeout=0.2)
    fake_runs.release()
    last_event(queue, run)
    assert not [e for e in queue.events_since(run)[0] if isinstance(e, Progress | Preview | Waiting)]


def test_an_unknown_name_is_refused(queue):
    with pytest.raises(UnknownRun, match="no longer stored here"):
        queue.events_since("0" * 32)


def test_runs_without_a_stage_leave_no_folder(queue, tmp_path):
    run = submit_prompt(queue, "a")
    last_event(queue, run)
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_run_pauses_after_a_stage_chosen_while_it_is_active_even_if_nobody_watches(queue, fake_runs):
    fake_runs.hold()
    run = submit_prompt(queue, "a")
    fake_runs.started.wait()
    queue.pause(run, 2)
    assert queue.stage_limits(run) == (None, 2)
    fake_runs.release()
    assert last_event(queue, run) == Stopped(3, 0)
    assert fake_runs.finished_stages == [("a", 1), ("a", 2)]


def test_a_pause_can_be_cancelled(queue, fake_runs):
    fake_runs.hold()
    run = submit_prompt(queue, "a")
    fake_runs.started.wait()
    queue.pause(run, 1)
    queue.pause(run, None)
    fake_runs.release()
    assert last_event(queue, run) == Finished(3)


def test_the_paths_that_runs_in_the_queue_need_are_known(queue, fake_runs, tmp_path):
    fake_runs.hold()
    first = submit_prompt(queue, "a")
    recipe = Recipe(image="start.png", controls=(Control(image="edges.png"),))
    second = queue.submit(Request(recipe, resume=(str(tmp_path / "before"), 1)))
    assert queue.needed_paths() == {
        tmp_path / first, tmp_path / second, tmp_path / "before", Path("start.png"), Path("edges.png"),
    }  # fmt: skip
    fake_runs.release()
    last_event(queue, second)


def test_old_logs_are_forgotten(queue, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.MAX_ENDED_RUNS", 3)
    runs = [submit_prompt(queue, str(n)) for n in range(6)]
    for run in runs[-3:]:
        last_event(queue, run)
    with pytest.raises(UnknownRun):
        queue.events_since(runs[0])


def test_following_from_past_the_end_ends(queue):
    run = submit_prompt(queue, "a")
    last_event(queue, run)
    _, after = queue.events_since(run)
    assert list(queue.follow(run, after)) == []


def test_the_log_of_an_active_run_outlives_those_of_many_ended_runs(queue, fake_runs, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.MAX_ENDED_RUNS", 2)
    fake_runs.hold()
    long = submit_prompt(queue, "long")
    fake_runs.started.wait()
    for n in range(5):
        queue.stop(submit_prompt(queue, str(n)))
    fake_runs.release()
    assert last_event(queue, long) == Finished(3)


def test_a_waiting_run_moves_up_when_one_before_it_is_stopped(queue, fake_runs):
    fake_runs.hold()
    submit_prompt(queue, "a")
    fake_runs.started.wait()
    second, third = submit_prompt(queue, "b"), submit_prompt(queue, "c")
    queue.stop(second)
    fake_runs.release(1)
    last_event(queue, second)
    wait_until(lambda: [e.place for e in queue.events_since(third)[0] if isinstance(e, Waiting)] == [1])


def test_exceptions_outside_a_run_leave_the_queue_working(queue, monkeypatch):
    def broken(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(queue.cache, "remove_run", broken)
    assert last_event(queue, submit_prompt(queue, "a")) == Finished(3)
    monkeypatch.setattr(queue.cache, "mark_used", lambda run: None)
    monkeypatch.setattr(queue, "_announce_turns", lambda: None)
    assert last_event(queue, submit_prompt(queue, "b")) == Finished(3)


def test_a_root_that_cannot_be_written_is_refused(tmp_path, fake_runs):
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="could not be written"):
        submit_prompt(RunQueue(RunCache(tmp_path / "file"), [fake_runs]), "a")

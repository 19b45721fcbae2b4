"""Stopping, watching, forgetting."""

import time
from pathlib import Path

import pytest

from engine import Fault, Finished, Preview, Progress, Recipe, StageDone, Stopped, Waiting
from engine.recipe.controls import Control
from engine.runs.cache import RunCache
from engine.runs.events import END
from engine.serving.entry import Request
from engine.serving.queue import RunQueue, UnknownRun
from tests.support.runs import ask, end


def wait_until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_a_waiting_run_can_be_stopped_and_never_starts(queue, work):
    work.hold()
    first = ask(queue, "a")
    work.at_work.wait()
    second = ask(queue, "b")
    queue.stop(second)
    work.go(1)
    assert end(queue, second) == Stopped(0, 0)
    work.go()
    end(queue, first)
    assert ("b", 1) not in work.done


def test_a_run_between_two_stages_can_be_stopped_while_another_works(queue, work):
    work.hold()
    first, second = ask(queue, "a"), ask(queue, "b")
    work.go(work.steps)
    for event in queue.follow(first):
        if isinstance(event, StageDone):
            break
    queue.stop(first)
    work.go(1)
    assert end(queue, first) == Stopped(2, 1)
    work.go()
    assert end(queue, second) == Finished(3)


def test_a_working_run_stops_before_its_next_step(queue, work):
    work.hold()
    run = ask(queue, "a")
    work.at_work.wait()
    queue.stop(run)
    work.go()
    assert end(queue, run) == Stopped(1, 2)


def test_stopping_what_has_ended_changes_nothing(queue):
    run = ask(queue, "a")
    assert end(queue, run) == Finished(3)
    queue.stop(run)
    assert end(queue, run) == Finished(3)


def test_a_run_that_nobody_watches_is_stopped(queue, work, clock):
    work.hold()
    left, watched = ask(queue, "a"), ask(queue, "b")
    work.at_work.wait()
    clock.now += queue.unwatched_seconds + 1
    queue.since(watched)
    work.go()
    assert end(queue, watched) == Finished(3)
    assert [event for event in queue.since(left)[0] if isinstance(event, END)] == [Stopped(1, 2)]


def test_a_log_is_followed_from_any_point_by_any_number(queue):
    run = ask(queue, "a")
    end(queue, run)
    whole, after = queue.since(run)
    assert queue.since(run, after) == ([], after)
    assert queue.since(run, after - 1) == ([Finished(3)], after)
    assert list(queue.follow(run)) == list(queue.follow(run)) == whole


def test_after_the_end_no_transient_event_is_kept(queue, work):
    work.hold()
    run = ask(queue, "a")
    work.go(1)
    work.let.acquire(timeout=0.2)
    work.go()
    end(queue, run)
    assert not [e for e in queue.since(run)[0] if isinstance(e, Progress | Preview | Waiting)]


def test_an_unknown_name_is_refused(queue):
    with pytest.raises(UnknownRun, match="not known here"):
        queue.since("0" * 32)


def test_runs_without_a_stage_leave_no_folder(queue, tmp_path):
    run = ask(queue, "a")
    end(queue, run)
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_run_pauses_after_the_stage_chosen_meanwhile_though_nobody_watches(queue, work):
    work.hold()
    run = ask(queue, "a")
    work.at_work.wait()
    queue.pause(run, 2)
    assert queue.stop_stages(run) == (None, 2)
    work.go()
    assert end(queue, run) == Stopped(3, 1)
    assert work.done == [("a", 1), ("a", 2)]


def test_a_pause_can_be_taken_back(queue, work):
    work.hold()
    run = ask(queue, "a")
    work.at_work.wait()
    queue.pause(run, 1)
    queue.pause(run, None)
    work.go()
    assert end(queue, run) == Finished(3)


def test_the_paths_that_runs_in_the_queue_need_are_known(queue, work, tmp_path):
    work.hold()
    first = ask(queue, "a")
    recipe = Recipe(image="start.png", controls=(Control(image="edges.png"),))
    second = queue.submit(Request(recipe, resume=(str(tmp_path / "before"), 1)))
    assert queue.needed_paths() == {
        tmp_path / first, tmp_path / second, tmp_path / "before", Path("start.png"), Path("edges.png"),
    }  # fmt: skip
    work.go()
    end(queue, second)


def test_old_logs_are_forgotten(queue, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.MAX_ENDED_RUNS", 3)
    runs = [ask(queue, str(n)) for n in range(6)]
    for run in runs[-3:]:
        end(queue, run)
    with pytest.raises(UnknownRun):
        queue.since(runs[0])


def test_following_from_past_the_end_ends(queue):
    run = ask(queue, "a")
    end(queue, run)
    _, after = queue.since(run)
    assert list(queue.follow(run, after)) == []


def test_a_long_run_outlives_many_short_ones_in_memory(queue, work, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.MAX_ENDED_RUNS", 2)
    work.hold()
    long = ask(queue, "long")
    work.at_work.wait()
    for n in range(5):
        queue.stop(ask(queue, str(n)))
    work.go()
    assert end(queue, long) == Finished(3)


def test_a_waiting_run_moves_up_when_one_before_it_is_stopped(queue, work):
    work.hold()
    ask(queue, "a")
    work.at_work.wait()
    second, third = ask(queue, "b"), ask(queue, "c")
    queue.stop(second)
    work.go(1)
    end(queue, second)
    wait_until(lambda: [e.place for e in queue.since(third)[0] if isinstance(e, Waiting)] == [1])


def test_faults_around_a_run_leave_the_queue_going(queue, monkeypatch):
    def broken(*given):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(queue.cache, "forget", broken)
    assert end(queue, ask(queue, "a")) == Finished(3)
    monkeypatch.setattr(queue.cache, "mark_used", lambda run: None)
    monkeypatch.setattr(queue, "_announce_positions", lambda: None)
    assert end(queue, ask(queue, "b")) == Finished(3)


def test_a_root_that_cannot_be_written_is_refused(tmp_path, work):
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="could not be written"):
        ask(RunQueue(RunCache(tmp_path / "file"), work), "a")

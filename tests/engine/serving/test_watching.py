"""Stopping, watching, forgetting."""

import time
from pathlib import Path

import pytest

from engine import Fault, Finished, Preview, Progress, Recipe, StageDone, Stopped, Waiting
from engine.recipe.controls import Control
from engine.runs.cache import Shelf
from engine.runs.events import END
from engine.serving.entry import Request
from engine.serving.queue import Desk, UnknownRun
from tests.support.runs import ask, end


def wait_until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_a_waiting_run_can_be_stopped_and_never_starts(desk, work):
    work.hold()
    first = ask(desk, "a")
    work.at_work.wait()
    second = ask(desk, "b")
    desk.stop(second)
    work.go(1)
    assert end(desk, second) == Stopped(0, 0)
    work.go()
    end(desk, first)
    assert ("b", 1) not in work.done


def test_a_run_between_two_stages_can_be_stopped_while_another_works(desk, work):
    work.hold()
    first, second = ask(desk, "a"), ask(desk, "b")
    work.go(work.steps)
    for event in desk.follow(first):
        if isinstance(event, StageDone):
            break
    desk.stop(first)
    work.go(1)
    assert end(desk, first) == Stopped(2, 1)
    work.go()
    assert end(desk, second) == Finished(3)


def test_a_working_run_stops_before_its_next_step(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.at_work.wait()
    desk.stop(run)
    work.go()
    assert end(desk, run) == Stopped(1, 2)


def test_stopping_what_has_ended_changes_nothing(desk):
    run = ask(desk, "a")
    assert end(desk, run) == Finished(3)
    desk.stop(run)
    assert end(desk, run) == Finished(3)


def test_a_run_that_nobody_watches_is_stopped(desk, work, clock):
    work.hold()
    left, watched = ask(desk, "a"), ask(desk, "b")
    work.at_work.wait()
    clock.now += desk.patience + 1
    desk.since(watched)
    work.go()
    assert end(desk, watched) == Finished(3)
    assert [event for event in desk.since(left)[0] if isinstance(event, END)] == [Stopped(1, 2)]


def test_a_log_is_followed_from_any_point_by_any_number(desk):
    run = ask(desk, "a")
    end(desk, run)
    whole, after = desk.since(run)
    assert desk.since(run, after) == ([], after)
    assert desk.since(run, after - 1) == ([Finished(3)], after)
    assert list(desk.follow(run)) == list(desk.follow(run)) == whole


def test_of_what_passes_only_the_newest_is_kept(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.go(1)
    work.let.acquire(timeout=0.2)
    work.go()
    end(desk, run)
    assert not [e for e in desk.since(run)[0] if isinstance(e, Progress | Preview | Waiting)]


def test_a_name_that_is_not_known_is_told(desk):
    with pytest.raises(UnknownRun, match="not known here"):
        desk.since("0" * 32)


def test_runs_without_a_stage_leave_no_folder(desk, tmp_path):
    run = ask(desk, "a")
    end(desk, run)
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_run_stops_after_the_stage_that_was_said_meanwhile_though_nobody_watches(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.at_work.wait()
    desk.pause(run, 2)
    assert desk.ends(run) == (None, 2)
    work.go()
    assert end(desk, run) == Stopped(3, 1)
    assert work.done == [("a", 1), ("a", 2)]


def test_what_was_said_can_be_taken_back(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.at_work.wait()
    desk.pause(run, 1)
    desk.pause(run, None)
    work.go()
    assert end(desk, run) == Finished(3)


def test_what_runs_in_the_line_need_is_told(desk, work, tmp_path):
    work.hold()
    first = ask(desk, "a")
    recipe = Recipe(image="start.png", controls=(Control(image="edges.png"),))
    second = desk.submit(Request(recipe, resume=(str(tmp_path / "before"), 1)))
    assert desk.needed() == {
        tmp_path / first, tmp_path / second, tmp_path / "before", Path("start.png"), Path("edges.png"),
    }  # fmt: skip
    work.go()
    end(desk, second)


def test_old_logs_are_forgotten(desk, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.REMEMBERED", 3)
    runs = [ask(desk, str(n)) for n in range(6)]
    for run in runs[-3:]:
        end(desk, run)
    with pytest.raises(UnknownRun):
        desk.since(runs[0])


def test_following_from_past_the_end_ends(desk):
    run = ask(desk, "a")
    end(desk, run)
    _, after = desk.since(run)
    assert list(desk.follow(run, after)) == []


def test_a_long_run_outlives_many_short_ones_in_memory(desk, work, monkeypatch):
    monkeypatch.setattr("engine.serving.queue.REMEMBERED", 2)
    work.hold()
    long = ask(desk, "long")
    work.at_work.wait()
    for n in range(5):
        desk.stop(ask(desk, str(n)))
    work.go()
    assert end(desk, long) == Finished(3)


def test_who_waits_moves_up_when_one_before_is_stopped(desk, work):
    work.hold()
    ask(desk, "a")
    work.at_work.wait()
    second, third = ask(desk, "b"), ask(desk, "c")
    desk.stop(second)
    work.go(1)
    end(desk, second)
    wait_until(lambda: [e.place for e in desk.since(third)[0] if isinstance(e, Waiting)] == [1])


def test_faults_around_a_run_leave_the_line_going(desk, monkeypatch):
    def broken(*given):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(desk.shelf, "forget", broken)
    assert end(desk, ask(desk, "a")) == Finished(3)
    monkeypatch.setattr(desk.shelf, "look", lambda run: None)
    monkeypatch.setattr(desk, "_announce", lambda: None)
    assert end(desk, ask(desk, "b")) == Finished(3)


def test_a_root_that_cannot_be_written_is_told(tmp_path, work):
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="could not be written"):
        ask(Desk(Shelf(tmp_path / "file"), work), "a")

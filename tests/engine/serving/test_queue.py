"""The line: one stage at a time, fair, bounded."""

import threading
from dataclasses import replace

import pytest

from engine import Accepted, Failed, Finished, Recipe, StageDone, Waiting
from engine.runs.cache import Shelf
from engine.serving.entry import Request
from engine.serving.queue import Desk, LineFull
from tests.support.runs import ask, end


def test_a_run_is_followed_from_its_start_to_its_end(desk):
    events = list(desk.follow(ask(desk, "a")))
    assert isinstance(events[0], Accepted)
    assert [e.stage for e in events if isinstance(e, StageDone)] == [1, 2, 3]
    assert events[-1] == Finished(3)


def test_the_line_turns_after_every_stage(desk, work):
    work.hold()
    runs = [ask(desk, name) for name in "abc"]
    work.go()
    assert [end(desk, run) for run in runs] == [Finished(3)] * 3
    assert work.done == [(name, stage) for stage in (1, 2, 3) for name in "abc"]


def test_a_run_that_made_its_last_stage_has_ended_before_another_works(desk, work):
    work.hold()
    first, second = ask(desk, "a"), ask(desk, "b")
    # All of the first and, as they take turns, two stages of the second.
    work.go(5 * work.steps)
    assert end(desk, first) == Finished(3)
    assert ("b", 3) not in work.done
    work.go()
    assert end(desk, second) == Finished(3)


def test_a_newcomers_first_stage_slips_in_between(desk, work):
    work.hold()
    first = ask(desk, "a")
    work.at_work.wait()
    second = ask(desk, "b")
    work.go()
    end(desk, first)
    end(desk, second)
    assert work.done[:3] == [("a", 1), ("b", 1), ("a", 2)]


def waits(desk, run):
    return [e for e in desk.since(run)[0] if isinstance(e, Waiting)]


def test_who_waits_is_told_the_place_and_the_seconds(desk, work, clock):
    work.hold()
    runs = [ask(desk, "a")]
    work.at_work.wait()
    runs += [ask(desk, "b"), ask(desk, "c")]
    assert waits(desk, runs[1]) == [Waiting(1, 10.0)]
    assert waits(desk, runs[2]) == [Waiting(2, 20.0)]
    clock.now += 4
    runs.append(ask(desk, "d"))
    assert waits(desk, runs[3]) == [Waiting(3, 26.0)]


def test_what_is_not_known_is_not_told(desk, work):
    desk.price = lambda request: ()
    work.hold()
    ask(desk, "a")
    work.at_work.wait()
    assert waits(desk, ask(desk, "b")) == [Waiting(1, None)]


def test_the_line_is_bounded_and_says_when_to_come_again(desk, work):
    desk.most = 2
    work.hold()
    for name in "abc":
        ask(desk, name)
    with pytest.raises(LineFull, match=r"2 runs are waiting.*in about 1 minute"):
        ask(desk, "d")


def test_a_start_that_breaks_is_a_failed_run_and_the_next_one_goes_on(tmp_path, work):
    def start(request, run):
        if request.recipe.prompt == "broken":
            raise ZeroDivisionError
        return work(request, run)

    desk = Desk(Shelf(tmp_path), start)
    broken, sound = ask(desk, "broken"), ask(desk, "a")
    assert isinstance(end(desk, broken), Failed)
    assert end(desk, sound) == Finished(3)


def test_no_thread_is_left_when_the_line_is_empty(desk):
    end(desk, ask(desk, "a"))
    desk.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "desk"]


def test_what_is_asked_reaches_the_start(desk, tmp_path, work):
    seen = []
    desk.start = lambda request, run: seen.append((request, run)) or work(request, run)
    request = Request(Recipe(prompt="a"), "a model", (tmp_path / "x", 2), 3)
    run = desk.submit(request)
    end(desk, run)
    assert seen == [(request, tmp_path / run)]
    assert replace(request) == request

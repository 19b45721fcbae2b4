"""The queue: one stage at a time, fair, bounded."""

import threading
from dataclasses import replace

import pytest

from engine import Accepted, Failed, Finished, Recipe, StageDone, Waiting
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import QueueFull, RunQueue
from tests.support.runs import ask, end


def test_a_run_is_followed_from_its_start_to_its_end(queue):
    events = list(queue.follow(ask(queue, "a")))
    assert isinstance(events[0], Accepted)
    assert [e.stage for e in events if isinstance(e, StageDone)] == [1, 2, 3]
    assert events[-1] == Finished(3)


def test_runs_take_turns_after_every_stage(queue, work):
    work.hold()
    runs = [ask(queue, name) for name in "abc"]
    work.go()
    assert [end(queue, run) for run in runs] == [Finished(3)] * 3
    assert work.done == [(name, stage) for stage in (1, 2, 3) for name in "abc"]


def test_a_run_that_made_its_last_stage_has_ended_before_another_works(queue, work):
    work.hold()
    first, second = ask(queue, "a"), ask(queue, "b")
    # All of the first and, as they take turns, two stages of the second.
    work.go(5 * work.steps)
    assert end(queue, first) == Finished(3)
    assert ("b", 3) not in work.done
    work.go()
    assert end(queue, second) == Finished(3)


def test_the_first_stage_of_a_new_run_comes_before_the_next_of_an_older_one(queue, work):
    work.hold()
    first = ask(queue, "a")
    work.at_work.wait()
    second = ask(queue, "b")
    work.go()
    end(queue, first)
    end(queue, second)
    assert work.done[:3] == [("a", 1), ("b", 1), ("a", 2)]


def waits(queue, run):
    return [e for e in queue.since(run)[0] if isinstance(e, Waiting)]


def test_a_waiting_run_reports_its_position_and_the_seconds_before_it(queue, work, clock):
    work.hold()
    runs = [ask(queue, "a")]
    work.at_work.wait()
    runs += [ask(queue, "b"), ask(queue, "c")]
    assert waits(queue, runs[1]) == [Waiting(1, 10.0)]
    assert waits(queue, runs[2]) == [Waiting(2, 20.0)]
    clock.now += 4
    runs.append(ask(queue, "d"))
    assert waits(queue, runs[3]) == [Waiting(3, 26.0)]


def test_without_an_estimate_no_seconds_are_reported(queue, work):
    queue.estimate = lambda request: ()
    work.hold()
    ask(queue, "a")
    work.at_work.wait()
    assert waits(queue, ask(queue, "b")) == [Waiting(1, None)]


def test_a_full_queue_says_when_to_try_again(queue, work):
    queue.max_waiting = 2
    work.hold()
    for name in "abc":
        ask(queue, name)
    with pytest.raises(QueueFull, match=r"2 runs are waiting.*in about 1 minute"):
        ask(queue, "d")


def test_a_run_that_cannot_start_fails_and_the_next_one_goes_on(tmp_path, work):
    def start(request, run):
        if request.recipe.prompt == "broken":
            raise ZeroDivisionError
        return work(request, run)

    queue = RunQueue(RunCache(tmp_path), start)
    broken, sound = ask(queue, "broken"), ask(queue, "a")
    assert isinstance(end(queue, broken), Failed)
    assert end(queue, sound) == Finished(3)


def test_no_thread_is_left_when_the_queue_is_empty(queue):
    end(queue, ask(queue, "a"))
    queue.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "run queue"]


def test_the_request_and_the_folder_reach_the_function_that_starts_the_run(queue, tmp_path, work):
    seen = []
    queue.start_run = lambda request, run: seen.append((request, run)) or work(request, run)
    request = Request(Recipe(prompt="a"), "a model", (tmp_path / "x", 2), 3)
    run = queue.submit(request)
    end(queue, run)
    assert seen == [(request, tmp_path / run)]
    assert replace(request) == request

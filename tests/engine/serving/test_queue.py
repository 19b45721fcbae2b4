"""The queue: runs take turns stage by stage, and only so many may wait."""

import threading
from dataclasses import replace

import pytest

from engine import Accepted, Failed, Finished, Recipe, StageDone, Waiting
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import QueueFull, RunQueue
from tests.support.fake_runs import last_event, submit_prompt


def test_a_run_is_followed_from_its_start_to_its_end(queue):
    events = list(queue.follow(submit_prompt(queue, "a")))
    assert isinstance(events[0], Accepted)
    assert [e.stage for e in events if isinstance(e, StageDone)] == [1, 2, 3]
    assert events[-1] == Finished(3)


def test_runs_take_turns_after_every_stage(queue, fake_runs):
    fake_runs.hold()
    runs = [submit_prompt(queue, name) for name in "abc"]
    fake_runs.release()
    assert [last_event(queue, run) for run in runs] == [Finished(3)] * 3
    assert fake_runs.finished_stages == [(name, stage) for stage in (1, 2, 3) for name in "abc"]


def test_a_run_ends_right_after_its_last_stage_before_another_run_continues(queue, fake_runs):
    fake_runs.hold()
    first, second = submit_prompt(queue, "a"), submit_prompt(queue, "b")
    # All of the first and, as they take turns, two stages of the second.
    fake_runs.release(5 * fake_runs.steps)
    assert last_event(queue, first) == Finished(3)
    assert ("b", 3) not in fake_runs.finished_stages
    fake_runs.release()
    assert last_event(queue, second) == Finished(3)


def test_the_first_stage_of_a_new_run_comes_before_the_next_of_an_older_one(queue, fake_runs):
    fake_runs.hold()
    first = submit_prompt(queue, "a")
    fake_runs.started.wait()
    second = submit_prompt(queue, "b")
    fake_runs.release()
    last_event(queue, first)
    last_event(queue, second)
    assert fake_runs.finished_stages[:3] == [("a", 1), ("b", 1), ("a", 2)]


def waits(queue, run):
    return [e for e in queue.events_since(run)[0] if isinstance(e, Waiting)]


def test_a_waiting_run_reports_its_position_and_the_seconds_before_it(queue, fake_runs, clock):
    fake_runs.hold()
    runs = [submit_prompt(queue, "a")]
    fake_runs.started.wait()
    runs += [submit_prompt(queue, "b"), submit_prompt(queue, "c")]
    assert waits(queue, runs[1]) == [Waiting(1, 10.0)]
    assert waits(queue, runs[2]) == [Waiting(2, 20.0)]
    clock.now += 4
    runs.append(submit_prompt(queue, "d"))
    assert waits(queue, runs[3]) == [Waiting(3, 26.0)]


def test_without_an_estimate_no_seconds_are_reported(queue, fake_runs):
    queue.estimate = lambda request: ()
    fake_runs.hold()
    submit_prompt(queue, "a")
    fake_runs.started.wait()
    assert waits(queue, submit_prompt(queue, "b")) == [Waiting(1, None)]


def test_a_full_queue_says_when_to_try_again(queue, fake_runs):
    queue.max_waiting = 2
    fake_runs.hold()
    for name in "abc":
        submit_prompt(queue, name)
    with pytest.raises(QueueFull, match=r"2 runs are waiting.*in about 1 minute"):
        submit_prompt(queue, "d")


def test_a_run_that_cannot_start_fails_and_the_next_one_runs(tmp_path, fake_runs):
    def start(request, run):
        if request.recipe.prompt == "broken":
            raise ZeroDivisionError
        return fake_runs(request, run)

    queue = RunQueue(RunCache(tmp_path), start)
    broken, sound = submit_prompt(queue, "broken"), submit_prompt(queue, "a")
    assert isinstance(last_event(queue, broken), Failed)
    assert last_event(queue, sound) == Finished(3)
    queue.close()


def test_no_thread_is_left_when_the_queue_is_empty(queue):
    last_event(queue, submit_prompt(queue, "a"))
    queue.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "run queue"]


def test_the_request_and_the_folder_reach_the_function_that_starts_the_run(queue, tmp_path, fake_runs):
    seen = []
    queue.start_run = lambda request, run: seen.append((request, run)) or fake_runs(request, run)
    request = Request(Recipe(prompt="a"), "a model", (tmp_path / "x", 2), 3)
    run = queue.submit(request)
    last_event(queue, run)
    assert seen == [(request, tmp_path / run)]
    assert replace(request) == request

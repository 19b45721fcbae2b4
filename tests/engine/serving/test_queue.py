"""The queue: runs take turns stage by stage, and only so many may wait."""

import threading

import numpy as np
import pytest
from PIL import Image

from engine import Accepted, Failed, Finished, Progress, Recipe, StageDone, Waiting, errors
from engine.runs import store
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import QueueFull, RunQueue
from engine.serving.worker import WorkerLost
from tests.support.fake_runs import FakeRuns, last_event, submit_prompt
from tests.support.waiting import wait_until


class StoringRuns(FakeRuns):
    """A worker that stores an empty picture for each stage."""

    def make_stage(self, run, number, model):
        for event in super().make_stage(run, number, model):
            if isinstance(event, StageDone):
                stored = store.StoredStage(np.zeros((1, 4, 8, 8), np.float32), (0.0, 1.0), {"evaluations": 1})
                folder = store.write_stage(
                    run.folder, number, run.key(number), stored, Image.new("RGB", (64, 64))
                )
                event = StageDone(number, 1.0, (64, 64), "", str(folder / store.LATENTS_FILE), 0.0, 1)
            yield event


def stages_of(events):
    """Return the finished stages among events: those that were kept, and those that came later."""
    kept = [stage for event in events if isinstance(event, Accepted) for stage in event.kept]
    return kept + [event for event in events if isinstance(event, StageDone)]


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


def test_a_run_that_has_waited_hears_when_its_turn_has_come(queue, fake_runs):
    fake_runs.hold()
    submit_prompt(queue, "a")
    fake_runs.started.wait()
    second = submit_prompt(queue, "b")
    assert waits(queue, second) == [Waiting(1, 10.0)]
    fake_runs.release(fake_runs.steps)
    wait_until(lambda: waits(queue, second) == [Waiting(0, 0.0)])


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


def test_a_run_that_cannot_start_fails_and_the_next_one_runs(tmp_path):
    class Worker(FakeRuns):
        def make_stage(self, run, number, model):
            if run.plan.recipe.prompt == "broken":
                raise ZeroDivisionError
            return super().make_stage(run, number, model)

    queue = RunQueue(RunCache(tmp_path), [Worker()])
    broken, sound = submit_prompt(queue, "broken"), submit_prompt(queue, "a")
    assert isinstance(last_event(queue, broken), Failed)
    assert last_event(queue, sound) == Finished(3)
    queue.close()


def test_no_thread_is_left_when_the_queue_is_empty(queue):
    last_event(queue, submit_prompt(queue, "a"))
    queue.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "run queue"]


def test_the_request_and_the_folder_reach_the_worker(queue, tmp_path, fake_runs, monkeypatch):
    seen, make_stage = [], fake_runs.make_stage
    monkeypatch.setattr(
        fake_runs,
        "make_stage",
        lambda run, number, model: seen.append((run, number, model)) or make_stage(run, number, model),
    )
    name = queue.submit(Request(Recipe(prompt="a"), "a model", until=2))
    assert last_event(queue, name) == Finished(2)
    assert [(run.folder, run.plan.recipe.prompt, number, model) for run, number, model in seen] == [
        (tmp_path / name, "a", 1, "a model"),
        (tmp_path / name, "a", 2, "a model"),
    ]


def test_turns_go_between_owners(queue, fake_runs):
    fake_runs.hold()
    busy = [submit_prompt(queue, str(n), owner="a" * 32) for n in range(10)]
    fake_runs.started.wait()
    other = submit_prompt(queue, "other", owner="b" * 32)
    fake_runs.release()
    assert last_event(queue, other) == last_event(queue, busy[-1]) == Finished(3)
    assert fake_runs.finished_stages[:6] == [
        ("0", 1), ("other", 1), ("0", 2), ("other", 2), ("0", 3), ("other", 3),
    ]  # fmt: skip
    # The runs of one owner are carried out in order.
    assert fake_runs.finished_stages[6:] == [(str(n), stage) for n in range(1, 10) for stage in (1, 2, 3)]


def test_runs_that_were_requested_together_have_one_place_and_are_watched_as_a_whole(queue, fake_runs, clock):
    queue.max_waiting = queue.max_per_client = 1
    fake_runs.hold()
    requests = [Request(Recipe(prompt=name), client="10.0.0.1") for name in "abcd"]
    runs = queue.submit_all(requests)
    with pytest.raises(QueueFull, match="1 of your runs"):
        queue.submit(requests[0])
    queue.submit(Request(Recipe(prompt="e"), client="10.0.0.2"))
    with pytest.raises(QueueFull, match="1 runs are waiting"):
        queue.submit(Request(Recipe(prompt="f"), client="10.0.0.3"))
    clock.now += queue.unwatched_seconds + 1
    queue.mark_watched(runs[0])
    fake_runs.release()
    assert [last_event(queue, run) for run in runs] == [Finished(3)] * 4


def test_a_stage_that_several_runs_need_is_made_once(tmp_path):
    workers = [StoringRuns(), StoringRuns()]
    for worker in workers:
        worker.hold()
    queue = RunQueue(RunCache(tmp_path), workers)
    runs = [submit_prompt(queue, "same", owner=owner * 32) for owner in "abc"]
    wait_until(lambda: any(worker.started.is_set() for worker in workers))
    for worker in workers:
        worker.release()
    for run in runs:
        events = list(queue.follow(run))
        assert [e.stage for e in stages_of(events)] == [1, 2, 3]
        assert events[-1] == Finished(3)
        assert sorted(store.finished_stages(tmp_path / run)) == [1, 2, 3]
    assert sorted(stage for worker in workers for _, stage in worker.finished_stages) == [1, 2, 3]
    queue.close()


def test_a_run_that_waits_for_the_stage_of_another_does_not_know_when_its_turn_comes(tmp_path):
    workers = [FakeRuns(), FakeRuns()]
    for worker in workers:
        worker.hold()
    queue = RunQueue(RunCache(tmp_path), workers, lambda request: (10.0, 20.0, 40.0))
    runs = [submit_prompt(queue, "same", owner=owner * 32) for owner in "ab"]
    wait_until(lambda: sum(len(waits(queue, run)) for run in runs))
    (waiting,) = (run for run in runs if waits(queue, run))
    wait_until(lambda: waits(queue, waiting) == [Waiting(1, None)])
    for worker in workers:
        worker.release()
    queue.close()


def test_a_worker_that_is_lost_while_it_loads_a_model_fails_the_run_with_that_reason(tmp_path):
    class Lost(FakeRuns):
        def load(self, model):
            raise WorkerLost

    queue = RunQueue(RunCache(tmp_path), [Lost()])
    assert last_event(queue, submit_prompt(queue, "a")) == Failed(errors.WORKERS_LOST_LOADING)
    queue.close()


def test_two_workers_make_stages_of_two_runs_at_the_same_time(tmp_path):
    workers = [FakeRuns(), FakeRuns()]
    for worker in workers:
        worker.hold()
    queue = RunQueue(RunCache(tmp_path), workers)
    runs = [submit_prompt(queue, name, owner="a" * 32) for name in "ab"]
    for worker in workers:
        assert worker.started.wait(10)
    for worker in workers:
        worker.release()
    assert [last_event(queue, run) for run in runs] == [Finished(3)] * 2
    queue.close()


def test_a_worker_that_has_the_model_is_preferred(tmp_path):
    class Without(FakeRuns):
        def loaded_facts(self, model):
            return None

    workers = [Without(), FakeRuns()]
    queue = RunQueue(RunCache(tmp_path), workers)
    assert last_event(queue, submit_prompt(queue, "a")) == Finished(3)
    assert [len(worker.finished_stages) for worker in workers] == [0, 3]
    queue.close()


@pytest.mark.parametrize("losses", [1, 2])
def test_a_stage_whose_worker_is_lost_is_given_once_to_another(losses, tmp_path):
    class Lost(FakeRuns):
        times = 0

        def make_stage(self, run, number, model):
            if number == 2 and self.times < losses:
                self.times += 1
                yield Progress(number, 1, 2, 0, 0)
                raise WorkerLost
            if (
                self.times
            ):  # Events of this kind are dropped when others follow, so they wait until it is read.
                assert waits_again.wait(60)
            yield from super().make_stage(run, number, model)

    waits_again = threading.Event()
    worker = Lost()
    queue = RunQueue(RunCache(tmp_path), [worker])
    for last in queue.follow(submit_prompt(queue, "a")):
        if worker.times and last == Waiting(0, 0.0):
            waits_again.set()
    queue.close()
    if losses == 1:
        assert last == Finished(3)
    else:
        assert isinstance(last, Failed)
        assert "Stage 2 was given up" in last.sentence
        assert worker.finished_stages == [("a", 1)]

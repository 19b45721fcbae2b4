"""Runs of several people at once, with the real engine: each ends once, none are mixed up, nothing leaks."""

import gc
import os
import random
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from engine import Failed, Finished, Progress, StageDone, Stopped, generate, plan
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.events import END
from engine.runs.pace import Pace
from engine.serving.entry import Request
from engine.serving.queue import RunQueue
from engine.serving.worker import ThreadWorker
from tests.support.planning import small_recipe
from tests.support.run_results import stage_done_events
from tests.support.slow_cases import slow_cases


@pytest.fixture(params=["thread", *slow_cases("processes")])
def queue(request, model, tmp_path):
    """A queue of real runs of the tiny model, made by a thread or by two processes."""
    if request.param == "thread":
        workers = [ThreadWorker(lambda name: model, lambda name: model.facts)]
    else:
        workers = request.getfixturevalue("process_pool").workers
    cache = RunCache(tmp_path / "queue")

    def estimate(request):
        return Pace(cache.root).estimate_each(plan(request.recipe, model.facts).stages)

    made = RunQueue(cache, workers, estimate, max_waiting=40)
    yield made
    made.close()


def stage_bytes(run, stage):
    """Read the latents of a stage as bytes."""
    return load_file(store.find_stage(run, stage)[1] / store.LATENTS_FILE)["latents"].tobytes()


@pytest.mark.parametrize("scheduler", slow_cases("ddim", "dpmpp_2m", "euler_a"))
def test_library_queue_resumed_run_and_enlargement_make_the_same_picture(scheduler, model, queue, tmp_path):
    recipe = small_recipe(scales=(1, 2, 4), scheduler=scheduler, steps=5)
    shorter = replace(recipe, scales=(1, 2))

    def run_in_folder(name, recipe, **more):
        events = list(generate(recipe, model, out=tmp_path / name, **more))
        return events[0].run

    library = run_in_folder("library", recipe)
    queued = queue.submit(Request(recipe))
    assert list(queue.follow(queued))[-1] == Finished(3)
    enlarged = run_in_folder("enlarged", recipe, resume=(run_in_folder("shorter", shorter), 2))
    resumed = run_in_folder("resumed", recipe, resume=(run_in_folder("resumed", recipe, until=2), 2))
    expected = stage_bytes(library, 3)
    for run in (queue.cache.root / queued, enlarged, resumed):
        assert stage_bytes(run, 3) == expected
        assert stage_bytes(run, 1) == stage_bytes(library, 1)


@pytest.mark.parametrize("queue", ["thread"], indirect=True)
def test_a_stopped_run_makes_at_most_one_more_call(network_calls, queue):
    run = queue.submit(Request(small_recipe(scales=(1, 2, 3), view_batch=1)))
    for event in queue.follow(run):
        if isinstance(event, Progress) and event.stage == 2:
            queue.stop(run)
            calls_before_stop = len(network_calls)
            break
    assert isinstance(list(queue.follow(run))[-1], Stopped)
    # A call that was under way when the run was stopped, and none after it.
    assert len(network_calls) <= calls_before_stop + 1


def test_ten_requests_with_one_base_make_it_once(queue):
    requests = [Request(small_recipe(scales=(1, 1.5), alpha1=alpha1)) for alpha1 in range(1, 6)]
    requests += [replace(request, owner="b" * 32) for request in requests]
    runs = queue.submit_all(requests[:5]) + [queue.submit(request) for request in requests[5:]]
    assert [list(queue.follow(run))[-1] for run in runs] == [Finished(2)] * 10
    files = [
        [store.find_stage(queue.cache.root / run, stage)[1] / store.LATENTS_FILE for run in runs]
        for stage in (1, 2)
    ]
    # The runs that reuse a stage have the same file. The second owner's requests equal the first's.
    assert [len({file.stat().st_ino for file in each}) for each in files] == [1, 5]


@pytest.mark.slow
def test_thirty_runs_of_ten_people_end_once_each_and_are_not_mixed_up(queue):
    runs, lock = {}, threading.Lock()
    chance = random.Random(0)
    to_stop = {(person, n): chance.random() < 1 / 3 for person in range(10) for n in range(3)}

    def person(k):
        for n in range(3):
            request = Request(small_recipe(prompt=f"{k} {n}", seed=10 * k + n, steps=4, scales=(1, 1.5)))
            run = queue.submit(request)
            with lock:
                runs[run] = request
            if to_stop[k, n]:
                queue.stop(run)

    people = [threading.Thread(target=person, args=(k,)) for k in range(10)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert len(runs) == 30
    ends = {}
    for run, request in runs.items():
        events = list(queue.follow(run))
        assert [isinstance(e, END) for e in events].count(True) == 1
        ends[run] = events[-1]
        assert not isinstance(ends[run], Failed)
        for event in stage_done_events(events):
            record = store.read_stage(Path(event.latents).parent).record
            assert record["recipe"]["prompt"] == request.recipe.prompt
            assert Path(event.image).parents[1].name == run
    assert sum(isinstance(end, Stopped) for end in ends.values()) >= 3
    assert sum(isinstance(end, Finished) for end in ends.values()) >= 15


@pytest.mark.parametrize("queue", ["thread"], indirect=True)
def test_runs_take_turns_after_every_stage(queue, monkeypatch):
    turns, make_stage = [], ThreadWorker.make_stage

    def make_and_record(worker, run, number, model):
        for event in make_stage(worker, run, number, model):
            if isinstance(event, StageDone):
                turns.append((run.plan.recipe.prompt, event.stage))
            yield event

    monkeypatch.setattr(ThreadWorker, "make_stage", make_and_record)
    gate = threading.Event()
    recipes = [small_recipe(prompt=name, seed=n, steps=4, scales=(1, 1.5, 2)) for n, name in enumerate("abc")]
    estimate = queue.estimate
    queue.estimate = lambda request: gate.wait(0.1) or estimate(request)
    runs = [queue.submit(Request(recipe)) for recipe in recipes]
    for run in runs:
        assert list(queue.follow(run))[-1] == Finished(3)
    for name in "abc":
        assert [stage for who, stage in turns if who == name] == [1, 2, 3]
    # Once all three wait, no run makes two stages in a row while another one is left.
    together = turns[turns.index(("c", 1)) :]
    contested = [k for k in range(len(together)) if len({who for who, _ in together[k:]}) > 1]
    assert contested
    assert all(together[k][0] != together[k + 1][0] for k in contested)


@pytest.mark.slow
def test_two_hundred_runs_leak_no_thread_handle_or_memory(queue):
    process = psutil.Process()

    def run_many(count, first):
        """Run so many recipes one after the other; return threads, handles and bytes in use afterwards."""
        for n in range(count):
            recipe = small_recipe(seed=first + n, steps=4, scales=(1,), guidance=1)
            assert list(queue.follow(queue.submit(Request(recipe))))[-1] == Finished(1)
        queue.close()
        gc.collect()
        return threading.active_count(), process.num_fds(), process.memory_info().rss

    run_many(40, 0)
    threads, handles, memory = run_many(20, 1000)
    for _ in range(2):
        again = run_many(100, 2000 + random.randrange(10**6))
    assert again[:2] == (threads, handles)
    assert again[2] < memory + 40 * 2**20
    assert os.getpid() == process.pid

"""Workers that are processes make the same pictures as threads, and may be killed at any moment."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from engine import Failed, Finished, Progress, Stopped, generate, plan
from engine.errors import Fault, WeightsMissing
from engine.paths import ROOT
from engine.runs import store
from engine.runs.cache import RunCache
from engine.serving import models
from engine.serving.entry import Request
from engine.serving.model_pool import ModelPool
from engine.serving.process_worker import ProcessPool, open_models
from engine.serving.queue import RunQueue
from engine.serving.worker import ThreadWorker
from tests.support.planning import small_recipe
from tests.support.running_app import tiny_entry
from tests.support.slow_cases import slow_cases
from tests.support.waiting import wait_until

RECIPE = small_recipe(scales=(1, 1.5, 2), steps=4)


def open_queue(folder, workers):
    """Open a queue of runs in a folder."""
    return RunQueue(RunCache(folder), workers)


def run_to_end(queue, recipe, **more):
    """Carry out a recipe in a queue; return the run's folder and its last event."""
    name = queue.submit(Request(recipe, "", **more))
    return queue.cache.root / name, list(queue.follow(name))[-1]


def stored_latents(run):
    """Read the latents of all stages of a run, as bytes by stage number."""
    return {
        number: store.read_stage(folder).latents.tobytes()
        for number, (_, folder) in store.finished_stages(run).items()
    }


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    """The latents of all stages of RECIPE, made by generate()."""
    accepted, *_ = generate(RECIPE, model, out=tmp_path_factory.mktemp("library"))
    return stored_latents(accepted.run)


def process_ids(process_pool):
    """Return the ids of the workers' processes; None for a worker without one."""
    return [worker.process_id for worker in process_pool.workers]


def test_threads_processes_and_runs_continued_across_them_make_the_same_bytes(
    process_pool, model, expected, tmp_path
):
    thread = ThreadWorker(lambda name: model, lambda name: model.facts)
    queues = {
        "thread": open_queue(tmp_path / "thread", [thread]),
        "processes": open_queue(tmp_path / "processes", process_pool.workers),
        "resumed": open_queue(tmp_path / "resumed", process_pool.workers),
        "continued": open_queue(tmp_path / "resumed", [thread]),
    }
    begun, _ = run_to_end(queues["resumed"], RECIPE, until=1)
    continued, end = run_to_end(queues["continued"], RECIPE, resume=(begun, 1))
    assert end == Finished(3)
    assert stored_latents(continued) == expected
    for name in ("thread", "processes"):
        run, end = run_to_end(queues[name], RECIPE)
        assert end == Finished(3)
        assert stored_latents(run) == expected


def test_two_runs_are_made_at_the_same_time(process_pool, tmp_path):
    queue = open_queue(tmp_path, process_pool.workers)
    names = [queue.submit(Request(small_recipe(seed=seed, scales=(1, 2)), "")) for seed in (1, 2)]
    for name in names:
        for event in queue.follow(name):
            if isinstance(event, Progress):
                break
        else:
            pytest.fail("the run has ended")
    assert [list(queue.follow(name))[-1] for name in names] == [Finished(2)] * 2


def test_a_stop_reaches_the_process_by_its_connection(process_pool, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STOP_FILE", "missing/stop")
    queue = open_queue(tmp_path, process_pool.workers)
    name = queue.submit(Request(small_recipe(scales=(1, 2, 3), steps=20), ""))
    for event in queue.follow(name):
        if isinstance(event, Progress) and event.stage == 2:
            queue.stop(name)
            break
    end = list(queue.follow(name))[-1]
    assert isinstance(end, Stopped)
    assert end.stage == 2


def kill_while_it_works(process_pool, queue, name, moment):
    """Kill the process that works on a run after so many of its calls of the network."""
    for event in queue.follow(name):
        if isinstance(event, Progress) and event.evaluations >= moment:
            (slot,) = (slot for slot in queue._slots if slot.entry)
            os.kill(slot.worker.process_id, signal.SIGKILL)
            return


def check_a_kill(process_pool, expected, folder, moment):
    """Kill a worker after so many evaluations; the run ends well, with the same stages."""
    queue = open_queue(folder, process_pool.workers)
    name = queue.submit(Request(RECIPE, ""))
    kill_while_it_works(process_pool, queue, name, moment)
    assert list(queue.follow(name))[-1] == Finished(3)
    assert stored_latents(folder / name) == expected


def test_a_killed_worker_loses_no_finished_stage(process_pool, expected, tmp_path):
    before = process_ids(process_pool)
    check_a_kill(process_pool, expected, tmp_path, 5)
    after = process_ids(process_pool)
    assert sum(one == other for one, other in zip(before, after, strict=True)) == 1
    assert process_pool.is_loaded()


def test_a_worker_that_was_killed_while_idle_starts_again_and_leaves_nothing_open(process_pool, tmp_path):
    queue, handles = open_queue(tmp_path, process_pool.workers[:1]), psutil.Process().num_fds()
    process_pool.workers[0].load("")
    for seed in range(2):
        os.kill(process_pool.workers[0].process_id, signal.SIGKILL)
        _, end = run_to_end(queue, small_recipe(seed=seed, scales=(1,), steps=4))
        assert end == Finished(1)
    # The queue may still have a file of the finished run open for a moment.
    wait_until(lambda: psutil.Process().num_fds() <= handles + 1)


def test_a_closed_worker_ends_its_stage_at_once_and_starts_no_other_process(tiny_folder, tmp_path):
    pool = ProcessPool([tiny_entry(tiny_folder)], ["cpu"], "float32", threads=1)
    queue = open_queue(tmp_path, pool.workers)
    name = queue.submit(Request(small_recipe(scales=(1, 2, 3), steps=50), ""))
    for event in queue.follow(name):
        if isinstance(event, Progress):
            pool.close()
            break
    assert isinstance(list(queue.follow(name))[-1], Failed)
    assert process_ids(pool) == [None]


@pytest.mark.slow
def test_twenty_kills_lose_no_finished_stage(process_pool, expected, tmp_path):
    of = sum(stage.evaluations for stage in plan(RECIPE, process_pool.facts()).stages)
    for n in range(20):
        check_a_kill(process_pool, expected, tmp_path / str(n), n * of // 20)


def test_a_model_that_cannot_be_loaded_fails_the_run_with_the_reason(tmp_path):
    missing = ProcessPool([tiny_entry(tmp_path / "nothing")], ["cpu"], "float32")
    with pytest.raises(WeightsMissing) as raised:
        missing.load()
    assert missing.load_error() == raised.value.sentence
    assert not missing.is_loaded()
    _, end = run_to_end(open_queue(tmp_path / "runs", missing.workers), RECIPE)
    assert end == Failed(raised.value.sentence)
    missing.close()


def test_the_app_knows_the_facts_of_a_models_process(process_pool, model):
    assert process_pool.facts().hash == model.facts.hash
    assert process_pool.is_loaded()
    assert not process_pool.is_on_gpu()
    assert process_pool.free_memory() > 0


APP = """
import sys, time
from pathlib import Path
from engine.serving.process_worker import ProcessPool
from tests.support.running_app import tiny_entry
pool = ProcessPool([tiny_entry(Path(sys.argv[1]))], ["cpu"], "float32", threads=1)
print(pool.load().name, pool.workers[0].process_id, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("end", slow_cases(signal.SIGKILL, signal.SIGTERM))
def test_a_process_ends_with_the_app_even_if_that_is_killed(end, tiny_folder):
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tiny_folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as app:
        name, pid = app.stdout.readline().split()
        assert name == "tiny"
        assert psutil.pid_exists(int(pid))
        app.send_signal(end)
    wait_until(lambda: not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == "zombie")


def test_the_setting_chooses_the_workers(tiny_folder, monkeypatch):
    entries, cores = [tiny_entry(tiny_folder)], len(os.sched_getaffinity(0))
    monkeypatch.setattr("engine.serving.process_worker.gpu_count", lambda: 1)
    assert isinstance(open_models(entries, ""), ModelPool)
    assert isinstance(open_models(entries, "auto"), ModelPool)
    pool = open_models(entries, str(cores))
    assert [worker._settings.device for worker in pool.workers] == ["cpu"] * cores
    assert pool.workers[0]._environment == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setattr("engine.serving.process_worker.gpu_count", lambda: 3)
    assert [w._settings.device for w in open_models(entries, "auto").workers] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
    ]
    for wrong in ("0", str(cores + 1), "two", "-1", "²"):
        with pytest.raises(Fault, match="number of workers"):
            open_models(entries, wrong)


@pytest.mark.parametrize(("visible", "count"), [("0,1", 2), ("", 0), ("-1", 0), ("3", 1)])
def test_the_gpus_are_those_that_are_visible(visible, count, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert models.gpu_count() == count

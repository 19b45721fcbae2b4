"""Kill runs at chosen moments, continue them, and print what was stored as JSON.

This runs in a process of its own, with one thread, so that each run can be a fork of it:
python -m tests.support.killed_runs <model folder> <scheduler> <out>
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from engine import Failed, generate, load_model
from engine.runs import files, store
from tests.support.planning import small_recipe

# How many runs are killed at a call of the network, and how many while a stage is being written.
KILLS_AT_CALLS = 13
KILLS_AT_WRITES = 7


def make_killer(moment, counts):
    """Return a function that kills this process when it is called for the `moment`-th time.

    counts: a list that gets the number of each call.
    """
    calls = [0]

    def count_call():
        calls[0] += 1
        if calls[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        counts.append(calls[0])

    return count_call


def call_before(owner, name, function):
    """Replace a function of a module or object by one that calls `function` first."""
    original = getattr(owner, name)

    def replacement(*args, **kwargs):
        function()
        return original(*args, **kwargs)

    setattr(owner, name, replacement)


def run_in_fork(work):
    """Run a function in a fork of this process and return the fork's exit status."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def stored_latents(root):
    """Read the latents of all stored stages, as bytes by stage number; all files of each stage must be sound."""
    latents = {}
    for run in root.iterdir():
        if run.is_dir():
            for number, (_, folder) in store.finished_stages(run).items():
                latents[number] = store.read_stage(folder).latents.tobytes()
    return latents


def kill_moments(model, network_calls, writes):
    """Spread moments over a run. Each is (owner, function, number of the function's call)."""
    at_calls = [
        (model.unet, "forward", 1 + n * network_calls // KILLS_AT_CALLS) for n in range(KILLS_AT_CALLS)
    ]
    return at_calls + [
        (files, "flush_to_disk", 1 + n * writes // KILLS_AT_WRITES) for n in range(KILLS_AT_WRITES)
    ]


def main(folder, scheduler, out):
    torch.set_num_threads(1)
    model = load_model(folder, "cpu", "float32")
    recipe = small_recipe(scales=(1, 1.5, 2), steps=4, scheduler=scheduler)

    def run(root, kill=None):
        """Run the recipe in a fork, which is killed at a moment if there is one; return its exit status."""

        def work():
            if kill:
                owner, name, moment = kill
                call_before(owner, name, make_killer(moment, []))
            events = list(generate(recipe, model, out=root))
            (root / "first").write_text(str(events[0].first if not isinstance(events[0], Failed) else events))
            os._exit(0)

        return run_in_fork(work)

    whole, network_calls, writes = out / "whole", [], []
    call_before(model.unet, "forward", make_killer(0, network_calls))
    call_before(files, "flush_to_disk", make_killer(0, writes))
    for _ in generate(recipe, model, out=whole):
        pass
    expected = stored_latents(whole)
    report = []
    for n, moment in enumerate(kill_moments(model, len(network_calls), len(writes))):
        root = out / str(n)
        killed_status = run(root, kill=moment)
        left = stored_latents(root)
        continued_status = run(root)
        completed = stored_latents(root)
        report.append(
            {
                "moment": [moment[1], moment[2]],
                "killed": os.WIFSIGNALED(killed_status),
                "stored": sorted(left),
                "stored is right": all(left[k] == expected[k] for k in left),
                "continued": continued_status == 0,
                "first": (root / "first").read_text(),
                "same": completed == expected,
            }
        )
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

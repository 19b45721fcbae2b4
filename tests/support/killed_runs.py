"""Kills runs at given moments and lets them go on; told as JSON. A process of its own, with one thread, so
that each run can be a fork of it: python -m tests.support.killed_runs <model folder> <scheduler> <out>
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.numpy import load_file

from engine import Failed, generate, load_model
from engine.runs import store
from tests.support.planning import small_recipe

CALLS, FILES = 13, 7
"""Moments at calls of the network, and while a stage is being written."""


def make_killer(moment, count):
    """Lets the n-th of something through and no further."""
    seen = [0]

    def passing():
        seen[0] += 1
        if seen[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        count.append(seen[0])

    return passing


def call_before(owner, name, passing):
    work = getattr(owner, name)

    def watched(*given, **more):
        passing()
        return work(*given, **more)

    setattr(owner, name, watched)


def run_in_fork(fake_runs):
    """Runs work in a fork; its exit status."""
    child = os.fork()
    if not child:
        try:
            fake_runs()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def stored_latents(root):
    """number -> latent bytes of every stage that is there; each must be whole."""
    found = {}
    for run in root.iterdir():
        if run.is_dir():
            for number, (_, folder) in store.finished_stages(run).items():
                with Image.open(folder / store.PICTURE_FILE) as picture:
                    picture.load()
                assert (folder / "proxy.jpg").stat().st_size
                found[number] = load_file(folder / store.LATENTS_FILE)["latents"].tobytes()
    return found


def kill_moments(model, network_calls, files):
    """All over a run: (owner, function, which of its calls)."""
    at_calls = [(model.unet, "forward", 1 + n * network_calls // CALLS) for n in range(CALLS)]
    return at_calls + [(store, "_to_disk", 1 + n * files // FILES) for n in range(FILES)]


def main(folder, scheduler, out):
    torch.set_num_threads(1)
    model = load_model(folder, "cpu", "float32")
    recipe = small_recipe(scales=(1, 1.5, 2), steps=4, scheduler=scheduler)

    def run(root, **kill):
        def work():
            for owner, name, moment in kill.values():
                call_before(owner, name, make_killer(moment, []))
            events = list(generate(recipe, model, out=root))
            (root / "first").write_text(str(events[0].first if not isinstance(events[0], Failed) else events))
            os._exit(0)

        return run_in_fork(work)

    whole, calls, files = out / "whole", [], []
    call_before(model.unet, "forward", make_killer(0, calls))
    call_before(store, "_to_disk", make_killer(0, files))
    for _ in generate(recipe, model, out=whole):
        pass
    truth = stored_latents(whole)
    told = []
    for n, moment in enumerate(kill_moments(model, len(calls), len(files))):
        root = out / str(n)
        died = run(root, kill=moment)
        left = stored_latents(root)
        went_on = run(root)
        again = stored_latents(root)
        told.append(
            {
                "moment": [moment[1], moment[2]],
                "killed": os.WIFSIGNALED(died),
                "kept": sorted(left),
                "kept is right": all(left[k] == truth[k] for k in left),
                "went on": went_on == 0,
                "first": (root / "first").read_text(),
                "same": again == truth,
            }
        )
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

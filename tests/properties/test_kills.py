"""SIGKILL at any moment, also while a stage is being written: no finished stage is lost or half there."""

import json
import subprocess
import sys

import pytest

from engine.paths import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler_a"])
def test_a_killed_run_goes_on_to_the_same_bits(scheduler, tiny_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_runs", tiny_folder, scheduler, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == 20
    assert sum(one["moment"][0] == "_to_disk" for one in told) >= 5
    assert len({tuple(one["kept"]) for one in told}) >= 3
    for one in told:
        assert one["killed"], one
        assert one["kept is right"], one
        assert one["kept"] == list(range(1, len(one["kept"]) + 1)), one
        assert one["went on"], one
        assert one["first"] == str(len(one["kept"]) + 1), one
        assert one["same"], one

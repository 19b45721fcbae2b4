"""SIGKILL at any moment, also while a stage is being written: no finished stage is lost or incomplete."""

import json
import subprocess
import sys

import pytest

from engine.paths import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler_a"])
def test_a_killed_run_is_continued_to_the_same_bits(scheduler, tiny_folder, tmp_path):
    process = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_runs", tiny_folder, scheduler, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout.splitlines()[-1])
    assert len(report) == 20
    assert sum(one["moment"][0] == "flush_to_disk" for one in report) >= 5
    assert len({tuple(one["stored"]) for one in report}) >= 3
    for one in report:
        assert one["killed"], one
        assert one["stored is right"], one
        assert one["stored"] == list(range(1, len(one["stored"]) + 1)), one
        assert one["continued"], one
        assert one["first"] == str(len(one["stored"]) + 1), one
        assert one["same"], one

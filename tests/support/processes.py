"""Code that tests run in a new Python process."""

import os
import subprocess
import sys

from engine.paths import ROOT


def run_without_modules(modules, code):
    """Run code in a new process where these modules cannot be imported; return the finished process."""
    block = f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], cwd=ROOT, capture_output=True, text=True)


def run_module(module, *words):
    """Run a module of the project with arguments in a new process; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

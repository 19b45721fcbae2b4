"""Code in a process of its own."""

import subprocess
import sys

from engine.paths import ROOT


def run_without_modules(modules, code):
    """Run code where these modules cannot be imported."""
    block = f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], cwd=ROOT, capture_output=True, text=True)

"""Paths of the project's own folders."""

from pathlib import Path

# The folder that contains app.py. Local sources in the catalogue are relative to this folder.
ROOT = Path(__file__).parents[1]
# The folder of bundled files: the small model, its ControlNet, the page's scripts and styles, the example run.
ASSETS = ROOT / "assets"

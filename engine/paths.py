"""The project's own folders on this machine."""

from pathlib import Path

# The project's root, which holds app.py. The catalogue's local sources are relative to it.
ROOT = Path(__file__).parents[1]
# Bundled files: the small model and its ControlNet, scripts, styles and the example.
ASSETS = ROOT / "assets"

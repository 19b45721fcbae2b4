"""Where the project lies on this machine."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The folder of app.py. Sources in the catalogue are folders here, or hub ids."""
ASSETS = ROOT / "assets"

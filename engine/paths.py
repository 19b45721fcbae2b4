"""Paths of the project's own folders."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
# The folder that contains the folder `assets`: in a checkout that of app.py, in an installed wheel the package's own.
# Local sources in the catalogue are relative to this folder.
ROOT = _PACKAGE if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent
# The folder of bundled files: the small model, its ControlNet, the page's scripts and styles, the example run.
ASSETS = ROOT / "assets"

"""A pytest plugin that skips browser tests, with the reason, where Chromium is missing."""

import shutil

import pytest


def pytest_collection_modifyitems(items):
    if shutil.which("chromium"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed (Debian's package: chromium)"))

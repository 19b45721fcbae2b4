"""Real parts for the tests: a small random model, and Chromium where there is one."""

import shutil

import pytest
import torch

from engine import load_model
from tests import tiny


def pytest_collection_modifyitems(items):
    if shutil.which("chromium"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed (Debian's package: chromium)"))


@pytest.fixture(scope="session", autouse=True)
def _two_threads():
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def model(tiny_folder):
    return load_model(tiny_folder, "cpu", "float32")

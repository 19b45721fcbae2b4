"""Fixtures that all tests share: a tiny model with random weights, and a picture."""

import os

import pytest
import torch

from engine import load_model
from tests.support import tiny
from tests.support.pictures import save_squares

# Machines differ in what they compute fastest, so that "auto" would mean another number format on each.
os.environ.setdefault("STUDIO_DTYPE", "float32")

pytest_plugins = [
    "tests.support.detector_weights",
    "tests.support.real_architectures",
    "tests.support.chromium",
    "tests.support.fake_runs",
    "tests.support.loras",
    "tests.support.controlnets",
    "tests.support.running_app",
    "tests.support.worker_processes",
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Let torch use one thread: tests run in parallel, and threads that compete for cores are ten times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """The folder of a tiny SDXL-shaped model."""
    return tiny.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def model(tiny_folder):
    """The tiny SDXL-shaped model, loaded on the CPU."""
    return load_model(tiny_folder, "cpu", "float32")


@pytest.fixture
def photo(tmp_path):
    """The path of a picture of coloured squares, 256 x 256 px."""
    return save_squares(tmp_path / "photo.png")


@pytest.fixture
def network_calls(model, monkeypatch):
    """The number of latents in each call of the network, so far."""
    batch_sizes, forward = [], model.unet.forward

    def counted(latents, *args, **kwargs):
        batch_sizes.append(len(latents))
        return forward(latents, *args, **kwargs)

    monkeypatch.setattr(model.unet, "forward", counted)
    return batch_sizes

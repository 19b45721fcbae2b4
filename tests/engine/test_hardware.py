"""The placement of a model: number format, offloading and view batch, chosen by free memory."""

import psutil
import pytest
import torch

from engine import hardware, load_model
from engine.catalogue.weights import count_parameters
from engine.hardware import MemoryNeed, Placement, choose_placement
from engine.network.facts import estimate_need, evaluation_bytes_per_cell
from tests.support import single_file, tiny
from tests.support.live_memory import measure_peak

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GB = 10**9
# SDXL as counted. A guided native view and a decoded tile are in bytes for each byte of the number format.
SDXL = MemoryNeed(
    {"unet": 2_570_000_000, "vae": 84_000_000, "text_encoder": 123_000_000, "text_encoder_2": 695_000_000},
    view_activations=int(2 * 128**2 * evaluation_bytes_per_cell("sdxl", (320,), 1)),
    tile_activations=1024**2 * (4 * 128 + 256),
)


@pytest.mark.parametrize(
    ("device", "free", "placed"),
    [
        (GPU, 80, Placement(GPU, torch.float16, False, 8)),
        (GPU, 16, Placement(GPU, torch.float16, False, 8)),
        (GPU, 8, Placement(GPU, torch.float16, True, 4)),
        (GPU, 6.2, Placement(GPU, torch.float16, True, 1)),
        (CPU, 64, Placement(CPU, torch.float32, False, 8)),
        (CPU, 12, Placement(CPU, torch.bfloat16, False, 8)),
    ],
)
def test_placement_depends_on_free_memory(device, free, placed):
    assert choose_placement(device, SDXL, int(free * GB)) == placed


def test_without_known_free_memory_the_whole_model_is_placed_on_the_device():
    assert choose_placement(CPU, SDXL, None) == Placement(CPU, torch.float32, False, 8)


def test_requested_placements_are_used():
    assert choose_placement(GPU, SDXL, 80 * GB, torch.bfloat16, True) == Placement(
        GPU, torch.bfloat16, True, 8
    )
    assert not choose_placement(GPU, SDXL, 8 * GB, offload=False).offload


def test_offloaded_parts_need_the_memory_of_the_largest():
    assert SDXL.weight_bytes(2) == 2 * (2_570_000_000 + 123_000_000 + 695_000_000) + 4 * 84_000_000
    assert SDXL.weight_bytes(2, offload=True) == 2 * 2_570_000_000


@pytest.mark.parametrize("write", [tiny.write, single_file.sd], ids=["sdxl", "sd"])
def test_the_memory_of_a_model_is_known_before_its_weights_are_read(write, tmp_path):
    folder = write(tmp_path / "tiny")
    model = load_model(folder, "cpu", "float32")
    need, footprint = estimate_need(folder, folder, model.facts.family), model.facts.footprint
    assert need.weight_bytes(4) == footprint.weights
    assert need.view_activations * 4 == pytest.approx(2 * 16**2 * footprint.per_cell, abs=8)
    assert need.tile_activations * 4 == pytest.approx(128**2 * footprint.per_px, abs=8)
    assert sum(count_parameters(folder).values()) * 4 == footprint.weights


def test_the_predicted_memory_of_a_view_of_sd_is_what_a_call_uses():
    unet = single_file.unet(True, (32, 64, 128, 128), layers=2)
    used = measure_peak(lambda: unet(torch.zeros(8, 4, 16, 16), 1.0, torch.zeros(8, 32, 16)), unet)
    assert evaluation_bytes_per_cell("sd", (32,), 4) * 8 * 16 * 16 == pytest.approx(used, rel=0.15)


def test_offloading_does_not_change_the_picture(tmp_path):
    folder = tiny.write(tmp_path / "tiny")
    whole, turns = (load_model(folder, "cpu", "float32", offload=offload) for offload in (False, True))
    assert turns.facts.offload
    latents, ids = torch.ones(2, 4, 16, 16), torch.zeros(2, 6)
    one, other = (m.predict(latents, 10.0, m.encode_text("a house", "", 2), ids) for m in (whole, turns))
    assert torch.equal(one, other)


def test_free_memory_is_what_the_system_can_allocate(monkeypatch):
    assert 0 < hardware.free_memory(CPU) < psutil.virtual_memory().total
    monkeypatch.setattr(psutil, "virtual_memory", lambda: (_ for _ in ()).throw(FileNotFoundError("/proc")))
    assert hardware.free_memory(CPU) is None


def test_a_cpu_is_named_by_its_model_and_the_threads_in_use(monkeypatch):
    cpuinfo = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n"
    monkeypatch.setattr(
        hardware.Path, "read_text", lambda self: cpuinfo if str(self) == "/proc/cpuinfo" else ""
    )
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert hardware.device_name(CPU) == "AMD EPYC, 2 threads"


def test_a_cpu_without_a_listed_name_is_named_by_its_platform(monkeypatch):
    monkeypatch.setattr(hardware.Path, "read_text", lambda self: "processor\t: 0\n")
    monkeypatch.setattr(hardware.platform, "processor", lambda: "")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert hardware.device_name(CPU) == "aarch64, 4 threads"

"""Tests of engine/network/number_format.py: which number format is faster is found once per machine."""

import json

import pytest
import torch

from engine.hardware import processor_name
from engine.network import number_format
from engine.network.number_format import compare_speed, fastest_cpu_dtype


@pytest.fixture
def results_file(tmp_path, monkeypatch):
    """The file of this machine's results in a cache folder of its own, on a CPU that knows bfloat16."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False)
    fastest_cpu_dtype.cache_clear()
    yield tmp_path / "demofusion-studio" / "bfloat16.json"
    fastest_cpu_dtype.cache_clear()


def set_ratio(monkeypatch, ratio):
    """Let comparisons find this ratio; return the list to which each comparison adds an item."""
    comparisons = []
    monkeypatch.setattr(number_format, "compare_speed", lambda *_: comparisons.append(ratio) or ratio)
    return comparisons


@pytest.mark.parametrize(("ratio", "dtype"), [(4.0, torch.bfloat16), (1.1, torch.float32)])
def test_bfloat16_is_taken_where_it_is_clearly_faster(ratio, dtype, results_file, monkeypatch):
    set_ratio(monkeypatch, ratio)
    assert fastest_cpu_dtype() == dtype


def test_a_machine_is_compared_once(results_file, monkeypatch):
    set_ratio(monkeypatch, 4.0)
    fastest_cpu_dtype()
    fastest_cpu_dtype.cache_clear()  # As in another process.
    later = set_ratio(monkeypatch, 1.0)
    assert fastest_cpu_dtype() == torch.bfloat16
    assert later == []
    assert json.loads(results_file.read_text()) == {processor_name(): 4.0}


@pytest.mark.parametrize("content", ["", "[1]", '{"cpu": "fast"}', "{"])
def test_an_unreadable_result_is_measured_anew(content, results_file, monkeypatch):
    results_file.parent.mkdir()
    results_file.write_text(content)
    set_ratio(monkeypatch, 4.0)
    assert fastest_cpu_dtype() == torch.bfloat16


def test_without_a_writable_folder_the_result_holds_for_this_process(results_file, monkeypatch, tmp_path):
    (tmp_path / "demofusion-studio").write_text("a file where the folder should be")
    comparisons = set_ratio(monkeypatch, 4.0)
    assert [fastest_cpu_dtype(), fastest_cpu_dtype()] == [torch.bfloat16] * 2
    assert comparisons == [4.0]


def test_a_cpu_without_bfloat16_is_not_compared(results_file, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    comparisons = set_ratio(monkeypatch, 4.0)
    assert fastest_cpu_dtype() == torch.float32
    assert comparisons == []


def test_a_comparison_returns_a_ratio_of_times():
    assert 0 < compare_speed(torch.float32, torch.float32, seconds=0.01) < float("inf")

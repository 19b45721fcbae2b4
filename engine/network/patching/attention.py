"""Apply patches of self-attention: shifted windows (HiDiffusion's MSW-MSA, Zhang et al. 2023), and scaling by the
number of tokens (Jin et al. 2023).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from engine.network.patching.hooks import find_part, use_hooks
from engine.planning.patches import ScaledAttention, WindowedAttention


class WindowPartition(NamedTuple):
    """How the tokens of a feature map are partitioned into four windows, two by two.

    A feature map with an odd side is padded by repeating its last row or column.
    """

    # The height and width of the feature map in tokens.
    rows: int
    cols: int
    # How far the feature map is rolled up and left before the partition, in quarters of a window's side: 0 to 3.
    shift: int

    @property
    def window(self) -> tuple[int, int]:
        """(height, width) of a window in tokens."""
        return (self.rows + 1) // 2, (self.cols + 1) // 2

    @property
    def roll(self) -> tuple[int, int]:
        """How far the feature map is rolled up and left, in tokens."""
        height, width = self.window
        return height * self.shift // 4, width * self.shift // 4

    def split(self, tokens: Tensor) -> Tensor:
        """Partition tokens (N, rows * cols, C) into windows (4 N, tokens of a window, C)."""
        (height, width), (down, right) = self.window, self.roll
        feature_map = tokens.unflatten(1, (self.rows, self.cols)).movedim(-1, 1)
        feature_map = pad(
            feature_map, (0, 2 * width - self.cols, 0, 2 * height - self.rows), mode="replicate"
        )
        feature_map = torch.roll(feature_map, (-down, -right), (-2, -1))
        windows = feature_map.unflatten(-1, (2, width)).unflatten(
            -3, (2, height)
        )  # N, C, 2, height, 2, width
        return windows.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)

    def merge(self, windows: Tensor) -> Tensor:
        """Reverse `split`: join windows (4 N, tokens of a window, C) to tokens (N, rows * cols, C)."""
        (height, width), (down, right) = self.window, self.roll
        feature_map = windows.unflatten(0, (-1, 2, 2)).unflatten(
            3, (height, width)
        )  # N, 2, 2, height, width, C
        feature_map = feature_map.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        feature_map = torch.roll(feature_map, (down, right), (-2, -1))[..., : self.rows, : self.cols]
        return feature_map.flatten(2).transpose(1, 2)


@contextmanager
def apply_windowed_attention(network: nn.Module, patch: WindowedAttention) -> Iterator[None]:
    """Limit the self-attentions of the patch's parts to windows inside a `with` block; each has its own shift."""
    with ExitStack() as undo:
        count = 0
        for name in patch.parts:
            transformer = find_part(network, name)
            if transformer is None:
                continue
            for block in transformer.get_submodule("transformer_blocks").children():
                attention = block.get_submodule("attn1")
                undo.enter_context(_limit_to_windows(transformer, attention, patch.shift(count)))
                count += 1
        yield


@contextmanager
def _limit_to_windows(transformer: nn.Module, attention: nn.Module, shift: int) -> Iterator[None]:
    """Limit one self-attention to windows inside a `with` block.

    The size of the feature map is read from the input of the transformer, because the tokens that the attention
    receives do not show it.

    transformer: the module that contains the attention.
    shift: see WindowPartition.
    """
    partition = WindowPartition(0, 0, shift)

    def note_size(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal partition
        feature_map = args[0] if args else kwargs["hidden_states"]
        rows, cols = feature_map.shape[-2:]
        partition = WindowPartition(rows, cols, shift)

    def split(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return (partition.split(args[0]), *args[1:]), kwargs

    def merge(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return partition.merge(output)

    with use_hooks(
        transformer.register_forward_pre_hook(note_size, with_kwargs=True),
        attention.register_forward_pre_hook(split, with_kwargs=True),
        attention.register_forward_hook(merge),
    ):
        yield


@contextmanager
def apply_scaled_attention(network: nn.Module, patch: ScaledAttention) -> Iterator[None]:
    """Scale the queries of all self-attentions by sqrt(log N / log n) inside a `with` block.

    N is the number of tokens of the present view, and n is the number of tokens of a view of native size.
    """

    def scale(module: nn.Module, args: tuple[Any, ...], queries: Tensor) -> Tensor:
        tokens = queries.shape[1]
        native_tokens = max(2.0, tokens / patch.area)  # The logarithm of 1 is 0.
        return queries * (log(tokens) / log(native_tokens)) ** 0.5

    projections = [
        module.get_submodule("attn1.to_q") for module in network.modules() if _has_self_attention(module)
    ]
    with use_hooks(*(to_q.register_forward_hook(scale) for to_q in projections)):
        yield


def _has_self_attention(module: nn.Module) -> bool:
    """Return whether a module has a self-attention, which diffusers calls attn1."""
    return hasattr(module, "attn1") and hasattr(module.attn1, "to_q")

"""Inner levels that see a smaller map (Zhang et al. 2023, HiDiffusion: RAU-Net)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from engine.network.patching.hooks import altered, hooked, part
from engine.planning.patches import PooledLevel, StridedLevel

DOWN, UP = "{}.downsamplers.0.conv", "{}.upsamplers.0"
MORE = 12
"""Samplers that a network is made to count beside its own: it then hands the size to grow to, whatever that
is, to every one that it has."""


@contextmanager
def _told_sizes(network: nn.Module) -> Iterator[None]:
    """Every upsampler goes to the size of what it meets, which need not be twice its own."""
    count = getattr(network, "num_upsamplers", None)
    if count is None:
        yield
        return
    with altered(network, num_upsamplers=count + MORE):
        yield


@contextmanager
def strided(network: nn.Module, bend: StridedLevel) -> Iterator[None]:
    """The sampler on the way down goes by four, with its kernel spread over as much."""
    site = part(network, DOWN.format(bend.down))
    inner = [] if site is None else [conv for conv in site.modules() if isinstance(conv, nn.Conv2d)]
    with ExitStack() as undo:
        undo.enter_context(_told_sizes(network))
        for conv in inner:
            if conv.kernel_size == (3, 3):
                undo.enter_context(altered(conv, stride=(4, 4), padding=(2, 2), dilation=(2, 2)))
        yield


@contextmanager
def pooled(network: nn.Module, bend: PooledLevel) -> Iterator[None]:
    """The map is halved after the first attention on the way down, and brought back to its size after the
    second on the way up."""
    sizes: list[tuple[int, int]] = []

    def halve(module: nn.Module, given: tuple[Any, ...], made: Any) -> Any:
        sizes.append(tuple(_map_of(made).shape[-2:]))
        return _with_map(made, avg_pool2d(_map_of(made), 2, ceil_mode=True))

    def restore(module: nn.Module, given: tuple[Any, ...], made: Any) -> Any:
        return _with_map(made, interpolate(_map_of(made), sizes.pop(), mode="bicubic"))

    hooks = (
        (part(network, f"{bend.down}.attentions.0"), halve),
        (part(network, f"{bend.up}.attentions.1"), restore),
    )
    handles = [module.register_forward_hook(hook) for module, hook in hooks if module is not None]
    with hooked(*handles), _told_sizes(network):
        yield


def _map_of(made: Any) -> Tensor:
    return made[0] if isinstance(made, tuple) else made.sample


def _with_map(made: Any, map_: Tensor) -> Any:
    return (map_, *made[1:]) if isinstance(made, tuple) else type(made)(sample=map_)

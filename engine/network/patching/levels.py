"""Apply patches that halve the feature map of inner levels (HiDiffusion's RAU-Net, Zhang et al. 2023)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from engine.network.patching.hooks import find_part, set_attributes, use_hooks
from engine.planning.patches import PooledLevel, StridedLevel

# The names of the submodules that reduce and enlarge a feature map, by the name of their block.
DOWNSAMPLER = "{}.downsamplers.0.conv"
UPSAMPLER = "{}.upsamplers.0"
# Added to the network's attribute num_upsamplers, so that no latent's size is a multiple of 2 ** num_upsamplers.
# diffusers then always passes each upsampler the size to reach.
EXTRA_UPSAMPLERS = 12


@contextmanager
def _upsample_to_skip_size(network: nn.Module) -> Iterator[None]:
    """Make every upsampler resize to the size of the next skip connection, inside a `with` block.

    Otherwise an upsampler doubles the size. A ControlNet, which has no upsamplers, is not changed.
    """
    count = getattr(network, "num_upsamplers", None)
    if count is None:
        yield
        return
    with set_attributes(network, num_upsamplers=count + EXTRA_UPSAMPLERS):
        yield


@contextmanager
def apply_strided_level(network: nn.Module, patch: StridedLevel) -> Iterator[None]:
    """Set a downsampler to stride 4 and dilation 2 inside a `with` block; the upsampler restores the size."""
    downsampler = find_part(network, DOWNSAMPLER.format(patch.down_block))
    with ExitStack() as undo:
        undo.enter_context(_upsample_to_skip_size(network))
        if downsampler is not None:
            for module in downsampler.modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                    undo.enter_context(set_attributes(module, stride=(4, 4), padding=(2, 2), dilation=(2, 2)))
        yield


@contextmanager
def apply_pooled_level(network: nn.Module, patch: PooledLevel) -> Iterator[None]:
    """Halve the feature map after the first attention of the down block, inside a `with` block.

    The size is restored after the second attention of the up block.
    """
    sizes: list[tuple[int, int]] = []

    def halve(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        feature_map = _get_feature_map(output)
        height, width = feature_map.shape[-2:]
        sizes.append((height, width))
        return _replace_feature_map(output, avg_pool2d(feature_map, 2, ceil_mode=True))

    def restore(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        return _replace_feature_map(
            output, interpolate(_get_feature_map(output), sizes.pop(), mode="bicubic")
        )

    hooks = (
        (find_part(network, f"{patch.down_block}.attentions.0"), halve),
        (find_part(network, f"{patch.up_block}.attentions.1"), restore),
    )
    handles = [module.register_forward_hook(hook) for module, hook in hooks if module is not None]
    with use_hooks(*handles), _upsample_to_skip_size(network):
        yield


def _get_feature_map(output: Any) -> Tensor:
    """Return the feature map in a transformer's output, which is a tuple or a dataclass."""
    return output[0] if isinstance(output, tuple) else output.sample


def _replace_feature_map(output: Any, feature_map: Tensor) -> Any:
    """Return a transformer's output with another feature map."""
    return (feature_map, *output[1:]) if isinstance(output, tuple) else type(output)(sample=feature_map)

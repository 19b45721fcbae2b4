"""Levels of the network that see a smaller map."""

from functools import partial

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from engine.network.patching.apply import apply_patches
from engine.planning.patches import PooledLevel, StridedLevel
from tests.support import single_file, tiny

XL_STRIDED = StridedLevel("down_blocks.1", "up_blocks.0", 1)
XL_POOLED = PooledLevel("down_blocks.1", "up_blocks.1", 1)
SD_STRIDED = StridedLevel("down_blocks.0", "up_blocks.2", 0)
SD_POOLED = PooledLevel("down_blocks.1", "up_blocks.2", 1)


@pytest.fixture(scope="module")
def xl():
    torch.manual_seed(0)
    return tiny.unet((16, 24, 32), layers=2).eval()


@pytest.fixture(scope="module")
def sd():
    torch.manual_seed(0)
    return single_file.unet(False, (16, 24, 32, 32), layers=2).eval()


def predict(unet, rows, cols):
    """Return the prediction for one canvas, with the same text in all tests."""
    source = torch.Generator().manual_seed(0)
    added_cond = None
    if unet.config.addition_embed_type:
        added_cond = {"text_embeds": torch.zeros(1, tiny.WIDTH), "time_ids": torch.zeros(1, 6)}
    latents = torch.randn(1, 4, rows, cols, generator=source)
    text = torch.randn(1, 7, unet.config.cross_attention_dim, generator=source)
    return unet(latents, torch.tensor(500), text, added_cond_kwargs=added_cond).sample


SEEN = ("down_blocks.{}.resnets.0", "down_blocks.{}.resnets.1", "up_blocks.{}.resnets.0",
        "up_blocks.{}.resnets.1", "up_blocks.{}.resnets.2")  # fmt: skip


def sizes(unet, canvas, *patches):
    """Return the sizes of the maps that the ResNets of each block see, and that of the prediction.

    A size is listed once if it does not change.
    """
    seen, handles = {}, []
    names = [name.format(k) for k in range(len(unet.down_blocks)) for name in SEEN]

    def note(block, module, args):
        size, known = tuple(args[0].shape[-2:]), seen.setdefault(block, [])
        if known[-1:] != [size]:
            known.append(size)

    for name in [*names, "mid_block.resnets.0"]:
        hook = partial(note, name.partition(".resnets")[0])
        handles.append(unet.get_submodule(name).register_forward_pre_hook(hook))
    with torch.no_grad(), apply_patches([unet], patches):
        made = predict(unet, *canvas)
    for handle in handles:
        handle.remove()
    return {block.replace("_blocks.", " ").replace("_block", ""): maps for block, maps in seen.items()} | {
        "made": tuple(made.shape[-2:])
    }


def all_of(*blocks):
    """Return the sizes of the maps of all blocks, by the block's name; each size is (rows, cols)."""
    depth = len(blocks) // 2
    names = [f"down {k}" for k in range(depth)] + ["mid"] + [f"up {k}" for k in range(depth)]
    return dict(zip(names, blocks, strict=True))


def test_plainly_every_level_of_sdxls_shape_sees_half_of_the_one_outside(xl):
    a, b, c = [(32, 48)], [(16, 24)], [(8, 12)]
    assert sizes(xl, (32, 48)) == all_of(a, b, c, c, c, b, a) | {"made": (32, 48)}


@pytest.mark.parametrize(
    ("canvas", "middle", "inner"),
    [((32, 48), (16, 24), (4, 6)), ((27, 37), (14, 19), (4, 5)), ((25, 34), (13, 17), (4, 5))],
)
def test_a_strided_pair_quarters_the_map_between_its_samplers(xl, canvas, middle, inner):
    """Sides of 13 and 17 cells, by four: 4 and 5, rounded up."""
    a, b, c = [canvas], [middle], [inner]
    assert sizes(xl, canvas, XL_STRIDED) == all_of(a, b, c, c, c, b, a) | {"made": canvas}


@pytest.mark.parametrize(
    ("canvas", "middle", "half", "inner"),
    [((32, 48), (16, 24), (8, 12), (4, 6)), ((27, 37), (14, 19), (7, 10), (4, 5))],
)
def test_a_pooled_pair_halves_the_map_between_its_attentions(xl, canvas, middle, half, inner):
    a, c = [canvas], [inner]
    wanted = all_of(a, [middle, half], c, c, c, [half, middle], a)
    assert sizes(xl, canvas, XL_POOLED) == wanted | {"made": canvas}


@pytest.mark.parametrize(
    ("canvas", "middle", "half", "inner"),
    [((32, 48), (16, 24), (8, 12), (2, 3)), ((27, 37), (14, 19), (7, 10), (2, 3))],
)
def test_both_pairs_at_once_on_sdxls_shape(xl, canvas, middle, half, inner):
    a, c = [canvas], [inner]
    wanted = all_of(a, [middle, half], c, c, c, [half, middle], a)
    assert sizes(xl, canvas, XL_STRIDED, XL_POOLED) == wanted | {"made": canvas}


@pytest.mark.parametrize(
    ("canvas", "levels"),
    [((64, 96), ((16, 24), (8, 12), (4, 6))), ((51, 70), ((13, 18), (7, 9), (4, 5)))],
)
def test_a_strided_pair_on_sds_shape_is_the_outermost(sd, canvas, levels):
    a, (b, c, d) = [canvas], ([level] for level in levels)
    assert sizes(sd, canvas, SD_STRIDED) == all_of(a, b, c, d, d, d, c, b, a) | {"made": canvas}


@pytest.mark.parametrize(
    ("canvas", "levels"),
    [
        ((64, 96), ((32, 48), (16, 24), (8, 12), (4, 6))),
        ((51, 70), ((26, 35), (13, 18), (7, 9), (4, 5))),
    ],
)
def test_a_pooled_pair_on_sds_shape_is_one_level_in(sd, canvas, levels):
    (b, half, c, d), a = levels, [canvas]
    wanted = all_of(a, [b, half], [c], [d], [d], [d], [c], [half, b], a)
    assert sizes(sd, canvas, SD_POOLED) == wanted | {"made": canvas}


@pytest.mark.parametrize(
    ("canvas", "levels"),
    [
        ((64, 96), ((16, 24), (8, 12), (4, 6), (2, 3))),
        ((51, 70), ((13, 18), (7, 9), (4, 5), (2, 3))),
    ],
)
def test_both_pairs_at_once_on_sds_shape(sd, canvas, levels):
    (b, half, c, d), a = levels, [canvas]
    wanted = all_of(a, [b, half], [c], [d], [d], [d], [c], [half, b], a)
    assert sizes(sd, canvas, SD_STRIDED, SD_POOLED) == wanted | {"made": canvas}


@pytest.mark.parametrize("sides", [(16, 24), (13, 17), (15, 18)])
@torch.no_grad()
def test_the_strided_sampler_is_its_own_kernel_spread_over_four(xl, sides):
    conv = xl.down_blocks[1].downsamplers[0].conv
    map_in = torch.randn(1, 24, *sides)
    wanted = conv2d(map_in, conv.weight, conv.bias, stride=4, padding=2, dilation=2)
    with apply_patches([xl], (XL_STRIDED,)):
        assert torch.equal(conv(map_in), wanted)


@pytest.mark.parametrize("sides", [(16, 24), (13, 17), (15, 18)])
@pytest.mark.parametrize("as_tuple", [True, False])
@torch.no_grad()
def test_the_pooled_map_is_the_mean_of_four_and_comes_back_bicubic(xl, sides, as_tuple):
    map_in, text = torch.randn(1, 24, *sides), torch.randn(1, 7, 32)
    first, second = xl.down_blocks[1].attentions[0], xl.up_blocks[1].attentions[1]
    half = torch.randn(1, 24, (sides[0] + 1) // 2, (sides[1] + 1) // 2)

    def run_part(part, map_):
        made = part(map_, text, return_dict=not as_tuple)
        return made[0] if as_tuple else made.sample

    small = avg_pool2d(run_part(first, map_in), 2, ceil_mode=True)
    large = interpolate(run_part(second, half), sides, mode="bicubic")
    with apply_patches([xl], (XL_POOLED,)):
        assert torch.equal(run_part(first, map_in), small)
        assert torch.equal(run_part(second, half), large)


@pytest.mark.parametrize("patches", [(XL_STRIDED,), (XL_POOLED,), (XL_STRIDED, XL_POOLED)])
@torch.no_grad()
def test_the_network_counts_its_samplers_as_before(xl, patches):
    with apply_patches([xl], patches):
        assert xl.num_upsamplers > 2
    assert xl.num_upsamplers == 2


@torch.no_grad()
def test_maps_of_several_sizes_may_follow_each_other(xl):
    with apply_patches([xl], (XL_POOLED,)):
        for canvas in ((32, 32), (27, 37), (16, 48)):
            assert predict(xl, *canvas).shape[-2:] == canvas

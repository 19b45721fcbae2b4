"""Attention limited to windows, and scaled attention."""

from math import log, sqrt

import pytest
import torch

from engine.network.patching.apply import apply_patches
from engine.network.patching.attention import WindowPartition
from engine.planning.patches import ScaledAttention, WindowedAttention
from tests.support import tiny

SIZES = [(8, 12), (7, 12), (8, 11), (7, 11), (2, 2), (1, 3)]


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return tiny.unet((16, 32, 32), layers=2).eval()


def tokens(rows, cols, channels=3, batch=2, seed=0):
    return torch.randn(batch, rows * cols, channels, generator=torch.Generator().manual_seed(seed))


def windows(tokens_, rows, cols, shift):
    """Return the windows of a map of tokens, from top left to bottom right, each (N, tokens, C)."""
    high, wide = (rows + 1) // 2, (cols + 1) // 2
    map_ = tokens_.reshape(len(tokens_), rows, cols, -1)
    map_ = torch.cat([map_, map_[:, -1:]], 1) if rows % 2 else map_
    map_ = torch.cat([map_, map_[:, :, -1:]], 2) if cols % 2 else map_
    rolled = torch.roll(map_, (-(high * shift // 4), -(wide * shift // 4)), (1, 2))
    halves = rolled[:, :high], rolled[:, high:]
    return [half.flatten(1, 2) for rows in halves for half in (rows[:, :, :wide], rows[:, :, wide:])]


def merged(windows_, rows, cols, shift):
    """Reverse `windows`."""
    high, wide = (rows + 1) // 2, (cols + 1) // 2
    a, b, c, d = (each.reshape(len(each), high, wide, -1) for each in windows_)
    map_ = torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1)
    map_ = torch.roll(map_, (high * shift // 4, wide * shift // 4), (1, 2))
    return map_[:, :rows, :cols].flatten(1, 2)


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize(("rows", "cols"), SIZES)
def test_merging_reverses_splitting(rows, cols, shift):
    tokens_in, partition = tokens(rows, cols), WindowPartition(rows, cols, shift)
    assert torch.equal(partition.merge(partition.split(tokens_in)), tokens_in)


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize(("rows", "cols"), SIZES)
def test_windows_are_those_of_the_rolled_map(rows, cols, shift):
    """All four windows of the first map come before those of the second."""
    tokens_in = tokens(rows, cols)
    wanted = torch.stack(windows(tokens_in, rows, cols, shift), 1).flatten(0, 1)
    assert torch.equal(WindowPartition(rows, cols, shift).split(tokens_in), wanted)


def test_a_map_is_rolled_by_quarters_of_a_windows_side():
    assert [WindowPartition(16, 24, shift).roll for shift in range(4)] == [(0, 0), (2, 3), (4, 6), (6, 9)]
    assert [WindowPartition(15, 23, shift).roll for shift in range(4)] == [(0, 0), (2, 3), (4, 6), (6, 9)]


def test_windows_begin_where_the_roll_says():
    tokens_in = torch.arange(16.0).reshape(1, 16, 1)
    assert WindowPartition(4, 4, 0).split(tokens_in)[..., 0].tolist() == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15],
    ]  # fmt: skip
    assert WindowPartition(4, 4, 2).split(tokens_in)[..., 0].tolist() == [
        [5, 6, 9, 10], [7, 4, 11, 8], [13, 14, 1, 2], [15, 12, 3, 0],
    ]  # fmt: skip


def patch_with_shifts(*shifts):
    """Return a patch of several attentions that happens to draw these shifts."""
    parts = tuple(f"down_blocks.1.attentions.{k}" for k in range(len(shifts)))
    patches = (WindowedAttention(parts, 1, (seed, 16, 16, 0)) for seed in range(1000))
    return next(patch for patch in patches if all(patch.shift(k) == s for k, s in enumerate(shifts)))


def record_attention(attention, call, patch, network):
    """Return the input of an attention before the patch changes it, and its patched output."""
    seen = []
    before = attention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with apply_patches([network], (patch,)):
        after = attention.register_forward_hook(lambda _, args, output: seen.append(output))
        call()
        after.remove()
    before.remove()
    return seen


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize(("rows", "cols"), [(8, 12), (7, 11)])
@torch.no_grad()
def test_windowed_attention_is_that_of_each_window_by_itself(unet, rows, cols, shift):
    part = unet.down_blocks[1].attentions[0]
    attention = part.transformer_blocks[0].attn1
    map_ = tokens(rows, cols, 32).transpose(1, 2).reshape(2, 32, rows, cols)
    tokens_in, made = record_attention(
        attention, lambda: part(map_, torch.zeros(2, 5, 32)), patch_with_shifts(shift), unet
    )
    answers = [attention(window) for window in windows(tokens_in, rows, cols, shift)]
    assert torch.allclose(made, merged(answers, rows, cols, shift), atol=1e-6)
    assert not torch.allclose(made, attention(tokens_in), atol=1e-4)


@torch.no_grad()
def test_each_attention_has_its_own_shift(unet):
    patch, map_ = patch_with_shifts(1, 3), tokens(8, 8, 32).transpose(1, 2).reshape(2, 32, 8, 8)
    for k, shift in ((0, 1), (1, 3)):
        part = unet.down_blocks[1].attentions[k]
        attention = part.transformer_blocks[0].attn1
        tokens_in, made = record_attention(
            attention, lambda part=part: part(map_, torch.zeros(2, 5, 32)), patch, unet
        )
        answers = [attention(window) for window in windows(tokens_in, 8, 8, shift)]
        assert torch.allclose(made, merged(answers, 8, 8, shift), atol=1e-6)


def test_shifts_are_drawn_evenly_and_again_the_same():
    patch = WindowedAttention((), 1, (7, 256, 256, 3))
    shifts = [patch.shift(k) for k in range(400)]
    assert shifts == [WindowedAttention((), 1, (7, 256, 256, 3)).shift(k) for k in range(400)]
    assert all(70 < shifts.count(shift) < 130 for shift in range(4))
    assert shifts != [WindowedAttention((), 1, (7, 256, 256, 4)).shift(k) for k in range(400)]


@torch.no_grad()
def test_parts_that_are_not_named_attend_to_the_whole_map(unet):
    part = unet.down_blocks[1].attentions[1]
    attention = part.transformer_blocks[0].attn1
    map_ = tokens(8, 8, 32).transpose(1, 2).reshape(2, 32, 8, 8)
    tokens_in, made = record_attention(
        attention, lambda: part(map_, torch.zeros(2, 5, 32)), patch_with_shifts(1), unet
    )
    assert torch.equal(made, attention(tokens_in))


def plain_attention(attention, tokens_in, text, scale):
    """softmax(q k^T scale / sqrt(d)) v, head by head."""
    queries, keys, values = attention.to_q(tokens_in), attention.to_k(text), attention.to_v(text)
    wide = queries.shape[-1] // attention.heads
    heads = []
    for q, k, v in zip(*(each.split(wide, -1) for each in (queries, keys, values)), strict=True):
        heads.append(torch.softmax(q @ k.transpose(1, 2) * scale / sqrt(wide), -1) @ v)
    return attention.to_out[0](torch.cat(heads, -1))


@pytest.mark.parametrize(("count", "area"), [(64, 4.0), (1024, 16.0), (100, 6.25)])
@torch.no_grad()
def test_scaled_attention_is_the_softmax_of_larger_products(unet, count, area):
    attention = unet.mid_block.attentions[0].transformer_blocks[0].attn1
    tokens_in = 3 * tokens(1, count, 32)
    wanted = plain_attention(attention, tokens_in, tokens_in, sqrt(log(count) / log(count / area)))
    unscaled = plain_attention(attention, tokens_in, tokens_in, 1)
    with apply_patches([unet], (ScaledAttention(area),)):
        made = attention(tokens_in)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert not torch.allclose(made, unscaled, atol=1e-4)


@torch.no_grad()
def test_cross_attention_is_not_scaled(unet):
    attention = unet.mid_block.attentions[0].transformer_blocks[0].attn2
    tokens_in, text = 3 * tokens(8, 8, 32), tokens(1, 5, 32)
    wanted = attention(tokens_in, text)
    with apply_patches([unet], (ScaledAttention(4.0),)):
        assert torch.equal(attention(tokens_in, text), wanted)


@torch.no_grad()
def test_a_map_of_a_few_tokens_is_scaled_without_a_fault(unet):
    """The logarithm of less than one token would not be positive."""
    attention = unet.mid_block.attentions[0].transformer_blocks[0].attn1
    with apply_patches([unet], (ScaledAttention(16.0),)):
        for count in (1, 2, 4, 16):
            assert torch.isfinite(attention(tokens(1, count, 32))).all()

"""Which patches at which step: the published tables, number by number."""

import pytest

from engine.planning.hidiffusion import hidiffusion
from engine.planning.patches import (
    DilatedConvolutions,
    PatchContext,
    PooledLevel,
    StepPatches,
    StridedLevel,
    WindowedAttention,
    count_steps,
    exceeds_native,
)
from engine.planning.scalecrafter import scalecrafter

STEPS = 50
PLAIN = {"bent_until": None, "dispersed": False, "damped": True, "windowed": True}
NO_PATCHES = StepPatches((), None)
WINDOWS = [128, 32]


def patches(method, architecture, rows, cols, step, window=128, steps=STEPS, **options):
    """Return the patches of a view of so many native sides."""
    context = PatchContext(int(rows * window), int(cols * window), window, architecture, step, steps, (7,))
    return method(context, PLAIN | options)


def factors(architecture, rows, cols, step, window=128, **more):
    """Return the factors by part of the strong and of the mild patches."""
    strong, mild = patches(scalecrafter, architecture, rows, cols, step, window, **more)
    assert all(isinstance(each, DilatedConvolutions) for each in (*strong, *(mild or ())))
    return tuple(None if side is None else dict(part for each in side for part in each.parts)
                 for side in (strong, mild))  # fmt: skip


MIDDLE = ("down_blocks.1", "down_blocks.2", "down_blocks.3", "mid_block", "up_blocks.0", "up_blocks.1",
          "up_blocks.2")  # fmt: skip
NEAR = {"sdxl": ("mid_block", "up_blocks.0"), "sd15": MIDDLE, "sd21": MIDDLE}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("architecture", "ratio", "until"),
    [
        ("sdxl", 2, 30),
        ("sdxl", 2.5, 30),
        ("sd15", 2, 30),
        ("sd15", 2.5, 35),
        ("sd21", 2, 20),
        ("sd21", 2.5, 30),
    ],
)
def test_up_to_2_8_times_a_few_parts_are_dilated_by_the_ratio(architecture, ratio, until, window):
    for step in (0, 7, until - 1):
        found = factors(architecture, ratio, ratio, step, window)
        assert found == (dict.fromkeys(NEAR[architecture], float(ratio)), None)
    for step in (until, STEPS - 1):
        assert patches(scalecrafter, architecture, ratio, ratio, step, window) == NO_PATCHES


@pytest.mark.parametrize(("ratio", "factor"), [(1.96, 2.0), (2.04, 2.0), (2.25, 2.25), (1.5, 1.5)])
def test_a_ratio_near_a_whole_one_is_taken_for_it(ratio, factor):
    strong, _ = factors("sdxl", ratio, ratio, 0, window=100)
    assert strong == {"mid_block": pytest.approx(factor), "up_blocks.0": pytest.approx(factor)}


def xl(down2, mid, up1, up2):
    return {
        "down_blocks.2": down2,
        "mid_block": mid,
        "up_blocks.0": mid,
        "up_blocks.1": up1,
        "up_blocks.2": up2,
    }


def sd15(outer, three, four):
    mild = {"down_blocks.2": three, "down_blocks.3": four, "mid_block": four, "up_blocks.0": four,
            "up_blocks.1": three}  # fmt: skip
    return mild | {"down_blocks.1": outer, "up_blocks.2": outer}, mild


def sd21(outer, three, four):
    mild = {"down_blocks.2": three, "down_blocks.2.downsamplers": four, "down_blocks.3": four,
            "mid_block": four, "up_blocks.0": four, "up_blocks.1": four, "up_blocks.2": three}  # fmt: skip
    return mild | {"up_blocks.3": outer}, mild


def both(factor):
    return {"mid_block": factor, "up_blocks.0": factor}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("sides", "step", "strong", "mild"),
    [
        ((4, 4), 0, xl(4, 4, 3, 2), both(4)),
        ((4, 4), 8, xl(4, 4, 3, 2), both(4)),  # 4 x 27 / 35 = 3.09
        ((4, 4), 9, xl(3, 3, 3, 2), both(3)),  # 4 x 26 / 35 = 2.97, 3 x 26 / 35 = 2.23
        ((4, 4), 11, xl(3, 3, 3, 2), both(3)),  # 3 x 24 / 35 = 2.06
        ((4, 4), 12, xl(3, 3, 2, 2), both(3)),  # 3 x 23 / 35 = 1.97
        ((4, 4), 18, xl(2, 2, 2, 2), both(2)),  # 4 x 17 / 35 = 1.94
        ((4, 4), 34, xl(2, 2, 2, 2), both(2)),
        ((2, 4), 0, xl(3, 4, 3, 2), both(4)),
        ((4, 2), 0, xl(3, 4, 3, 2), both(4)),
        ((2, 4), 9, xl(3, 3, 3, 2), both(3)),
        ((2, 4), 12, xl(2, 3, 2, 2), both(3)),
        ((2, 4), 34, xl(2, 2, 2, 2), both(2)),
        ((6, 6), 0, xl(6, 6, 5, 3), both(6)),
        ((6, 6), 10, xl(5, 5, 4, 3), both(5)),  # of 6, 4.5 and 3 times 25 / 35: 4.29, 3.21, 2.14
        ((6, 6), 34, xl(2, 2, 2, 2), both(2)),
    ],
)
def test_sdxl_from_2_8_times_on(sides, step, strong, mild, window):
    assert factors("sdxl", *sides, step, window) == (strong, mild)


@pytest.mark.parametrize(
    ("sides", "step", "found"),
    [
        ((4, 4), 0, sd15(2, 3, 4)),
        ((4, 4), 9, sd15(2, 3, 3)),
        ((4, 4), 12, sd15(2, 2, 3)),
        ((4, 4), 34, sd15(2, 2, 2)),
        ((2, 4), 0, sd15(2, 3, 4)),
        ((2, 4), 34, sd15(2, 2, 2)),
        ((6, 6), 0, sd15(3, 5, 6)),
        ((6, 6), 34, sd15(2, 2, 2)),
    ],
)
@pytest.mark.parametrize("window", [64, 32])
def test_sd15_from_2_8_times_on(sides, step, found, window):
    assert factors("sd15", *sides, step, window) == found


@pytest.mark.parametrize(
    ("sides", "step", "found"),
    [
        ((4, 4), 0, sd21(2, 3, 4)),
        ((4, 4), 9, sd21(2, 3, 4)),  # 4 x 28 / 37 = 3.03
        ((4, 4), 10, sd21(2, 3, 3)),  # 4 x 27 / 37 = 2.92
        ((4, 4), 36, sd21(2, 2, 2)),
        ((2, 4), 0, sd21(2, 3, 4)),
        ((6, 6), 0, sd21(3, 5, 6)),
    ],
)
@pytest.mark.parametrize("window", [96, 32])
def test_sd21_from_2_8_times_on(sides, step, found, window):
    assert factors("sd21", *sides, step, window) == found


@pytest.mark.parametrize(("architecture", "until"), [("sdxl", 35), ("sd15", 35), ("sd21", 37)])
@pytest.mark.parametrize("sides", [(2, 4), (4, 4), (6, 6)])
def test_noise_is_damped_for_as_long_as_the_network_is_patched(architecture, sides, until):
    for step in range(STEPS):
        found = patches(scalecrafter, architecture, *sides, step)
        assert (bool(found.strong), found.mild is not None) == (step < until, step < until)


@pytest.mark.parametrize("architecture", NEAR)
@pytest.mark.parametrize("sides", [(2, 4), (4, 4), (6, 6)])
def test_factors_fall_over_the_steps_and_never_below_two(architecture, sides):
    found = [patches(scalecrafter, architecture, *sides, step) for step in range(35)]
    for answers in ([each.strong for each in found], [each.mild for each in found]):
        for part, _ in answers[0][0].parts:
            course = [dict(each[0].parts)[part] for each in answers]
            assert course == sorted(course, reverse=True)
            assert course[-1] == min(course) == 2


def test_what_a_person_chooses_overrides_the_table():
    assert patches(scalecrafter, "sdxl", 4, 4, 0, damped=False).mild is None
    assert patches(scalecrafter, "sdxl", 4, 4, 49, bent_until=1.0).strong
    assert patches(scalecrafter, "sdxl", 2, 2, 10, bent_until=0.2) == NO_PATCHES
    found = patches(scalecrafter, "sdxl", 4, 4, 0, dispersed=True)
    assert all(each.dispersed for each in (*found.strong, *found.mild))


XL = (StridedLevel("down_blocks.1", "up_blocks.0", 1), PooledLevel("down_blocks.1", "up_blocks.1", 1))
SD = (StridedLevel("down_blocks.0", "up_blocks.2", 0), PooledLevel("down_blocks.1", "up_blocks.2", 1))
PAIRS = {"sdxl": XL, "sd15": SD, "sd21": SD}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("architecture", "sides", "strided", "pooled"),
    [
        ("sdxl", (2, 2), range(8), range(8, 20)),
        ("sdxl", (2.5, 2.5), range(8), range(8, 20)),
        ("sdxl", (2, 4), range(8), range(8, 20)),
        ("sdxl", (3.9, 8), range(8), range(8, 20)),
        ("sdxl", (4, 4), range(15), range(35)),
        ("sdxl", (6, 6), range(15), range(35)),
        ("sd15", (2, 2), range(20), ()),
        ("sd15", (2, 4), range(20), ()),
        ("sd15", (4, 4), range(35), range(15)),
        ("sd21", (2, 2), range(20), ()),
        ("sd21", (4, 4), range(35), range(15)),
    ],
)
def test_hidiffusions_pairs_at_every_step(architecture, sides, strided, pooled, window):
    for step in range(STEPS):
        wanted = tuple(
            pair
            for pair, active in zip(PAIRS[architecture], (strided, pooled), strict=True)
            if step in active
        )
        assert patches(hidiffusion, architecture, *sides, step, window, windowed=False) == StepPatches(
            wanted, None
        )


WINDOWED_PARTS = {
    "sdxl": ("down_blocks.1.attentions.0", "down_blocks.1.attentions.1", "up_blocks.1.attentions.0",
             "up_blocks.1.attentions.1", "up_blocks.1.attentions.2"),
    "sd15": ("down_blocks.0.attentions.0", "down_blocks.0.attentions.1", "up_blocks.3.attentions.0",
             "up_blocks.3.attentions.1", "up_blocks.3.attentions.2"),
}  # fmt: skip


@pytest.mark.parametrize(("architecture", "level"), [("sdxl", 1), ("sd15", 0), ("sd21", 0)])
def test_the_largest_attention_is_windowed_in_every_step(architecture, level):
    for step in (0, 20, 49):
        *_, last = patches(hidiffusion, architecture, 2, 2, step).strong
        assert last == WindowedAttention(
            WINDOWED_PARTS["sdxl" if architecture == "sdxl" else "sd15"], level, (7,)
        )


def test_a_longer_share_lengthens_both_pairs_alike():
    for step in range(STEPS):
        wanted = (XL[0],) * (step < 16) + (XL[1],) * (16 <= step < 40)
        assert patches(hidiffusion, "sdxl", 2, 2, step, windowed=False, bent_until=0.8).strong == wanted


def test_a_share_of_the_steps_is_rounded_up():
    assert [count_steps(0.6, steps) for steps in (50, 20, 4)] == [30, 12, 3]
    assert [count_steps(share, 50) for share in (0.3, 0.7, 0.74, 0.16)] == [15, 35, 37, 8]


def test_only_views_larger_than_native_by_a_quarter_are_patched():
    assert not exceeds_native(160, 160, 128)
    assert exceeds_native(161, 161, 128)
    assert exceeds_native(128, 256, 128)

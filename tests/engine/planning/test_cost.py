"""What an evaluation takes, against the operations of the real networks' shapes, counted."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from engine.catalogue import entries
from engine.paths import ASSETS
from engine.planning.cost import evaluation_areas
from engine.planning.hidiffusion import hidiffusion
from engine.planning.patches import PatchContext
from tests.support.flops import SD15, SD21, SDXL, count_flops, level_shares, make_meta_unet
from tests.support.slow_cases import slow_cases

POSTCARDS = ASSETS / "postcards"
SLACK = 0.08
PLAIN = -1
"""In place of a step: the network as it is."""


def postcards():
    told = json.loads((POSTCARDS / "unet" / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(told).eval()


@pytest.fixture(scope="module")
def networks():
    """By body: networks without weights, and the operations of a native evaluation of each."""
    made = {"sdxl": make_meta_unet(SDXL), "sd15": make_meta_unet(SD15)}
    return {body: (unet, counted(unet, 1, 1)) for body, unet in made.items()}


def counted(unet, rows, cols, bends=()):
    """Operations for a canvas of so many native sides."""
    side = unet.config.sample_size
    return sum(count_flops(unet, rows * side, cols * side, bends)["Global"].values())


@pytest.mark.parametrize(
    ("made", "source", "body"),
    [
        (lambda: make_meta_unet(SDXL), "nobody/nothing", "sdxl"),
        (lambda: make_meta_unet(SD15), "nobody/nothing", "sd15"),
        (lambda: make_meta_unet(SD21), "nobody/nothing", "sd21"),
        (postcards, str(POSTCARDS), "sdxl"),
    ],
    ids=["sdxl", "sd15", "sd21", "postcards"],
)
def test_the_catalogue_tells_how_work_is_spread_over_the_levels(made, source, body):
    wanted, told = level_shares(made()), entries.level_costs_for(source, body)
    assert len(told) == len(wanted)
    for level, known in zip(told, wanted, strict=True):
        assert level == pytest.approx(known, abs=0.01)


def test_the_shares_are_of_nearly_all_work():
    """What is left is the first and the last convolution, outside every level."""
    for body in ("sdxl", "sd15", "sd21"):
        assert 0.97 < sum(sum(level) for level in entries.level_costs_for("nobody/nothing", body)) <= 1.0


CASES = [
    ("sd15", 2, PLAIN, True), ("sd15", 2, 0, True), ("sd15", 2, 0, False), ("sd15", 2, 30, True),
    ("sd15", 4, PLAIN, True), ("sd15", 4, 0, True), ("sd15", 4, 0, False), ("sd15", 4, 17, True),
    ("sd15", 4, 17, False), ("sdxl", 2, PLAIN, True), ("sdxl", 2, 10, True), ("sdxl", 4, 0, True),
    *slow_cases(
        ("sdxl", 2, 0, True), ("sdxl", 2, 0, False), ("sdxl", 2, 10, False), ("sdxl", 2, 30, True),
        ("sdxl", 4, PLAIN, True), ("sdxl", 4, 0, False), ("sdxl", 4, 17, True), ("sdxl", 4, 17, False),
        ("sdxl", 4, 40, True),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_whole_canvas_is_told_at_what_it_takes(networks, case):
    """Of an evaluation at native size. HiDiffusion's bends are other ones from step to step of 50."""
    body, side, step, windowed = case
    (unet, native), bends = networks[body], ()
    window = unet.config.sample_size
    if step != PLAIN:
        look = PatchContext(side * window, side * window, window, body, step, 50, (0,))
        bends = hidiffusion(look, {"bent_until": None, "windowed": windowed}).strong
    told = evaluation_areas(entries.level_costs_for("nobody/nothing", body), side**2, bends)
    assert told == pytest.approx(counted(unet, side, side, bends) / native, rel=SLACK)


@pytest.mark.slow
def test_an_oblong_canvas_is_told_at_what_it_takes(networks):
    unet, native = networks["sdxl"]
    told = evaluation_areas(entries.level_costs_for("nobody/nothing", "sdxl"), 2 * 4)
    assert told == pytest.approx(counted(unet, 2, 4) / native, rel=SLACK)


def test_a_view_of_about_native_size_is_told_as_its_area():
    levels = entries.level_costs_for("nobody/nothing", "sdxl")
    assert [evaluation_areas(levels, area) for area in (0.5, 1.0, 1.25)] == [0.5, 1.0, 1.25]

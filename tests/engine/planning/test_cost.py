"""The estimated cost of an evaluation, against counted FLOPs of networks with the shapes of the real ones."""

import json
from functools import cache

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
# In place of a step: the network without patches.
PLAIN = -1


@cache
def meta_unet(architecture):
    """Make the network of an architecture, without weights."""
    return make_meta_unet({"sdxl": SDXL, "sd15": SD15, "sd21": SD21}[architecture])


@cache
def postcards():
    config = json.loads((POSTCARDS / "unet" / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(config).eval()


@pytest.fixture(scope="module")
def networks_by_architecture():
    """By architecture: a network without weights, and the FLOPs of its native evaluation."""
    made = {"sdxl": meta_unet("sdxl"), "sd15": meta_unet("sd15")}
    return {architecture: (unet, count_all_flops(unet, 1, 1)) for architecture, unet in made.items()}


def count_all_flops(unet, rows, cols, patches=()):
    """Count the FLOPs of an evaluation; rows and cols are in native sides."""
    side = unet.config.sample_size
    return sum(count_flops(unet, rows * side, cols * side, patches)["Global"].values())


@pytest.mark.parametrize(
    ("made", "source", "architecture"),
    [
        (lambda: meta_unet("sdxl"), "nobody/nothing", "sdxl"),
        (lambda: meta_unet("sd15"), "nobody/nothing", "sd15"),
        (lambda: meta_unet("sd21"), "nobody/nothing", "sd21"),
        (postcards, str(POSTCARDS), "sdxl"),
    ],
    ids=["sdxl", "sd15", "sd21", "postcards"],
)
def test_the_catalogue_knows_the_cost_of_each_level(made, source, architecture):
    wanted, estimate = level_shares(made()), entries.level_costs_for(source, architecture)
    assert len(estimate) == len(wanted)
    for level, known in zip(estimate, wanted, strict=True):
        assert level == pytest.approx(known, abs=0.01)


def test_the_catalogue_knows_the_operations_of_an_evaluation(networks_by_architecture):
    counted = {architecture: flops for architecture, (_, flops) in networks_by_architecture.items()}
    assert entries.gigaflops_for("nobody/nothing", "sdxl") == pytest.approx(counted["sdxl"] / 1e9, rel=0.001)
    assert entries.gigaflops_for("nobody/nothing", "sd15") == pytest.approx(counted["sd15"] / 1e9, rel=0.001)
    sd21, small = count_all_flops(meta_unet("sd21"), 1, 1), count_all_flops(postcards(), 1, 1)
    assert entries.gigaflops_for("nobody/nothing", "sd21") == pytest.approx(sd21 / 1e9, rel=0.001)
    assert entries.gigaflops_for(str(POSTCARDS), "sdxl") == pytest.approx(small / 1e9, rel=0.001)


def test_the_levels_make_up_nearly_all_of_the_cost():
    """The rest is the first and the last convolution, which belong to no level."""
    for architecture in ("sdxl", "sd15", "sd21"):
        assert (
            0.97 < sum(sum(level) for level in entries.level_costs_for("nobody/nothing", architecture)) <= 1.0
        )


CASES = [
    ("sd15", 2, PLAIN, True), ("sd15", 2, 30, True), ("sd15", 4, 0, False), ("sd15", 4, 17, True),
    ("sdxl", 2, 10, True), ("sdxl", 4, 0, True),
    *slow_cases(
        ("sd15", 2, 0, True), ("sd15", 2, 0, False), ("sd15", 4, PLAIN, True), ("sd15", 4, 0, True),
        ("sd15", 4, 17, False), ("sdxl", 2, PLAIN, True),
        ("sdxl", 2, 0, True), ("sdxl", 2, 0, False), ("sdxl", 2, 10, False), ("sdxl", 2, 30, True),
        ("sdxl", 4, PLAIN, True), ("sdxl", 4, 0, False), ("sdxl", 4, 17, True), ("sdxl", 4, 17, False),
        ("sdxl", 4, 40, True),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_cost_of_a_whole_canvas_is_estimated(networks_by_architecture, case):
    """Costs are in evaluations of native size. HiDiffusion's patches change over the 50 steps."""
    architecture, side, step, windowed = case
    (unet, native), patches = networks_by_architecture[architecture], ()
    window = unet.config.sample_size
    if step != PLAIN:
        context = PatchContext(side * window, side * window, window, architecture, step, 50, (0,))
        patches = hidiffusion(context, {"bent_until": None, "windowed": windowed}).strong
    estimate = evaluation_areas(entries.level_costs_for("nobody/nothing", architecture), side**2, patches)
    assert estimate == pytest.approx(count_all_flops(unet, side, side, patches) / native, rel=SLACK)


@pytest.mark.slow
def test_the_cost_of_an_oblong_canvas_is_estimated(networks_by_architecture):
    unet, native = networks_by_architecture["sdxl"]
    estimate = evaluation_areas(entries.level_costs_for("nobody/nothing", "sdxl"), 2 * 4)
    assert estimate == pytest.approx(count_all_flops(unet, 2, 4) / native, rel=SLACK)


def test_a_view_of_about_native_size_costs_its_area():
    levels = entries.level_costs_for("nobody/nothing", "sdxl")
    assert [evaluation_areas(levels, area) for area in (0.5, 1.0, 1.25)] == [0.5, 1.0, 1.25]

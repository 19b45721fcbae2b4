"""Which controls are valid, and which are refused with a sentence."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from engine import BadRecipe, Failed, Recipe, errors, plan
from engine.planning import controlnets
from engine.recipe.checks import check, check_value
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS, Control
from engine.recipe.images import digest
from engine.recipe.recipe import from_dict, to_dict
from tests.support import single_file, tiny
from tests.support.controlnets import save_controlnet
from tests.support.planning import make_facts
from tests.support.run_results import run_with_cache


def refusal(recipe, model, out):
    """Return the Failed event of a run that must end before it begins."""
    *before, end = run_with_cache(recipe, model, out)
    assert isinstance(end, Failed)
    assert not before
    return end


def test_a_control_survives_json_with_its_image_named_by_digest(control_image):
    recipe = Recipe(controls=({"kind": "soft", "image": control_image, "stages": [1, 0.5], "blur": 3},))
    values = json.loads(json.dumps(to_dict(recipe)))
    assert values["controls"] == [
        {"kind": "soft", "image": digest(control_image), "stages": [1, 0.5], "blur": 3}
    ]
    again, strange = from_dict(values)
    assert not strange
    assert check(again).controls == (
        Control(kind="soft", image=digest(control_image), stages=(1.0, 0.5), blur=3.0),
    )


@pytest.mark.parametrize(
    "value",
    [
        "canny", 1, None, [[]], {"image": "a.png"}, [{"kind": "canny"}], [{"image": "a.png"}] * 5,
        [{"image": ""}], [{"image": 7}], [{"image": "a\0b"}],
        *([{"image": "a.png"} | wrong] for wrong in (
            {"kind": "magic"}, {"scale": 3}, {"scale": "1"}, {"start": -1}, {"stages": [1, 5]},
            {"stages": "all"}, {"strange": 1}, {"low": 300}, {"given": 1}, {"net": 3},
        )),
    ],
)  # fmt: skip
def test_an_invalid_control_is_refused_in_a_sentence(value):
    with pytest.raises(BadRecipe) as fault:
        plan(Recipe(controls=value), make_facts(32))
    assert fault.value.field == "controls"
    assert fault.value.sentence.endswith(".")


def test_untrusted_controls_name_no_file_and_no_controlnet():
    mine = "sha256:" + "0" * 64
    assert check_value("controls", Recipe(controls=({"image": mine},)).controls)
    for strange in (
        {"image": "/etc/passwd"},
        {"image": mine, "net": "/a/folder"},
        {"image": mine, "net": "a/b"},
    ):
        with pytest.raises(BadRecipe):
            check_value("controls", Recipe(controls=(strange,)).controls)


@pytest.mark.parametrize(("family", "native", "follows"), [
    ("sdxl", 256, {"canny"}),
    ("sdxl", 1024, {"canny", "depth", "openpose", "tile"}),
    ("sd", 512, {"canny", "depth", "openpose", "tile", "shuffle", "grey"}),
    ("sd", 768, {"canny", "depth", "openpose"}),
    ("sdxl", 128, set()),
])  # fmt: skip
def test_each_family_offers_the_kinds_it_has_controlnets_for(family, native, follows):
    offers = controlnets.offered_kinds(make_facts(native // 8, family=family))
    assert list(offers) == list(MAP_KINDS)
    assert follows <= {kind for kind, here in offers.items() if here}
    assert bool(follows) == any(offers.values())


def test_a_kind_without_a_controlnet_is_refused_with_those_that_have_one(control_image):
    with pytest.raises(BadRecipe, match=r"cannot follow depth\. Choose another control type: edges"):
        plan(Recipe(controls=({"image": control_image, "kind": "depth"},)), make_facts(32))
    with pytest.raises(BadRecipe, match="toy has no ControlNet"):
        plan(Recipe(controls=({"image": control_image},)), make_facts(16))


def test_faithful_mode_refuses_controls(controlled_recipe, model):
    with pytest.raises(BadRecipe) as fault:
        plan(replace(controlled_recipe(), faithful=True), model.facts)
    assert fault.value.fit == {"faithful": False}


def test_a_control_image_gives_its_shape(controlnet_path, tmp_path, model):
    Image.new("RGB", (400, 200)).save(tmp_path / "wide.png")
    recipe = Recipe(controls=({"image": str(tmp_path / "wide.png"), "net": controlnet_path},), scales=(1, 2))
    final = plan(recipe, model.facts).stages[-1].size
    assert final[1] == pytest.approx(2 * final[0], rel=0.05)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": "nowhere.png"}, "could not be read"),
        ({"net": "/no/such/folder"}, "is not on this machine"),
        ({"kind": "openpose"}, "is not available here"),
    ],
    ids=["no picture", "no controlnet", "no detector"],
)
def test_missing_files_are_reported_before_a_run(
    changes, reason, controlled_recipe, model, tmp_path, network_calls, monkeypatch
):
    monkeypatch.setattr("engine.control.detectors.PACKAGES", {"controlnet-aux": ("not_installed",)})
    end = refusal(controlled_recipe(**changes), model, tmp_path / "runs")
    assert reason in end.sentence
    assert end.field == "controls"
    assert not network_calls


def test_a_file_that_is_no_picture_is_refused(controlled_recipe, model, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    assert (
        "could not be read"
        in refusal(controlled_recipe(image=str(tmp_path / "notes.png")), model, tmp_path).sentence
    )


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: single_file.sd(folder),
        lambda folder: tiny.write(folder, widths=(16, 48)),
        lambda folder: tiny.write(folder, second=32),
    ],
    ids=["another family", "other widths", "other texts"],
)
def test_a_controlnet_of_another_family_is_refused_before_it_is_read(
    other, controlled_recipe, model, tmp_path
):
    foreign = save_controlnet(other(tmp_path / "other"), tmp_path / "foreign")
    for file in foreign.glob("*.safetensors"):
        file.write_bytes(b"never read")
    end = refusal(controlled_recipe(net=str(foreign)), model, tmp_path)
    assert end.sentence == errors.CONTROLNET_INCOMPATIBLE.format(net="'foreign'")


def test_a_broken_controlnet_is_refused(controlled_recipe, model, tiny_folder, tmp_path):
    broken = save_controlnet(tiny_folder, tmp_path / "broken")
    next(broken.glob("*.safetensors")).write_bytes(b"\0" * 100)
    assert "is damaged or incomplete" in refusal(controlled_recipe(net=str(broken)), model, tmp_path).sentence


def test_a_controlnet_is_read_from_safetensors_alone(controlled_recipe, model, tiny_folder, tmp_path):
    """A ControlNet that is only a pickle is treated as missing."""
    pickled = save_controlnet(tiny_folder, tmp_path / "pickled")
    next(pickled.glob("*.safetensors")).rename(pickled / "diffusion_pytorch_model.bin")
    assert isinstance(run_with_cache(controlled_recipe(net=str(pickled)), model, tmp_path)[-1], Failed)


def test_a_supplied_map_must_have_at_least_the_size_and_the_shape_of_the_stages_that_use_it(
    controlled_recipe, model, tmp_path, control_image
):
    def plan_with_map(size, **changes):
        Image.new("RGB", size).save(tmp_path / "map.png")
        recipe = controlled_recipe(image=str(tmp_path / "map.png"), given=True, **changes)
        return plan(replace(recipe, scales=(1, 2), width=256, height=256), model.facts)

    with pytest.raises(BadRecipe, match="is 128 x 128 px, but stage 2 is 256 x 256 px"):
        plan_with_map((128, 128))
    with pytest.raises(BadRecipe, match="another shape"):
        plan_with_map((512, 300))
    assert plan_with_map((256, 256))
    assert plan_with_map((600, 600))
    # It need not be as large as a stage in which its strength is zero.
    assert plan_with_map((128, 128), stages=(1, 0))


def test_every_setting_of_a_control_has_a_label():
    assert all(setting.label and setting.help for setting in CONTROL_SETTINGS.values())

"""What a visit makes of pictures to follow: knobs, recipes, maps, sentences. No browser."""

from dataclasses import replace

import pytest

from engine import Recipe, errors
from engine.errors import BadRecipe
from engine.planning import controlnets
from engine.recipe import images
from engine.recipe.checks import check
from engine.recipe.controls import CONTROL_SETTINGS, KINDS, Control
from engine.serving.model_pool import Lender
from tests.support import toys
from tests.support.page import tiny_entry
from ui.actions.dropped import follow_start, unfollow
from ui.actions.replan import take
from ui.messages.facts import differences
from ui.messages.status import line
from ui.panels.control_map import overlay
from ui.session.finished import told_settings
from ui.session.services import open_house
from ui.session.session import Visit
from ui.settings import control_settings
from ui.settings.control_settings import KNOBS, knob
from ui.settings.link import left_out, to_query
from ui.settings.widgets import follow_control, recipe_of, rest_of, values_of, without_effect
from ui.text import words
from ui.text.labels import replace_names_with_labels

DIGEST = "sha256:" + "5e" * 32
FACTS = toys.facts(window=16)


@pytest.fixture
def house(tiny_folder, tmp_path, offered):
    made = open_house(tmp_path / "runs", Lender([tiny_entry(tiny_folder)], "cpu", "float32"), age=86400)
    yield made
    made.desk.close()


@pytest.fixture
def visit(house, photo):
    """One that follows a picture of coloured squares that was dropped on it."""
    visit = Visit(pictures={images.digest(photo): house.uploads.keep(photo)})
    take(visit, house, Recipe(prompt="a red house", controls=(Control(image=images.digest(photo)),)))
    assert visit.refused is None
    return visit


@pytest.mark.parametrize("name", KNOBS.values())
def test_a_knob_says_what_the_setting_says(name):
    made, setting = follow_control(name), CONTROL_SETTINGS[name]
    assert (made.label, made.info, made.interactive) == (setting.label, setting.help, True)
    if setting.low is not None:
        assert (made.minimum, made.maximum, made.step) == (setting.low, setting.high, setting.step)


def test_the_knobs_are_the_first_controls_and_all_else_is_carried_along():
    one, two = Control(image=DIGEST, scale=0.5, stages=(1.0, 0.3)), Control(image=DIGEST, kind="tile")
    recipe = Recipe(controls=(one, two))
    values, rest = values_of(recipe, FACTS), rest_of(recipe)
    assert recipe_of(values, rest, FACTS).controls == (one, two)
    turned = recipe_of(values | {knob("start"): 0.25}, rest, FACTS).controls
    assert turned == (replace(one, start=0.25), two)
    turned = recipe_of(values | {knob("scale"): 0.7}, rest, FACTS).controls
    assert turned == (replace(one, scale=0.7, stages=()), two)


@pytest.mark.parametrize("value", [9, "x", float("nan"), [1], {"a": 1}, "../../net"])
@pytest.mark.parametrize("name", ["scale", "low", "kind", "given"])
def test_whatever_a_browser_sends_for_a_knob_is_told_of(name, value):
    recipe = Recipe(controls=(Control(image=DIGEST),))
    values = values_of(recipe, FACTS) | {knob(name): value}
    if (name, value) == ("low", 9):
        assert recipe_of(values, rest_of(recipe), FACTS).controls[0].low == 9
        return
    with pytest.raises(BadRecipe) as fault:
        recipe_of(values, rest_of(recipe), FACTS)
    assert fault.value.field == "controls"


@pytest.mark.parametrize(
    "control",
    [{"image": "/etc/passwd"}, {"image": DIGEST, "net": "/tmp/net"}, {"image": DIGEST, "net": "a/b"}],
)
def test_nobody_names_a_file_or_a_net(control):
    with pytest.raises(BadRecipe):
        recipe_of(values_of(Recipe(), FACTS), {"controls": Recipe(controls=[control]).controls}, FACTS)


def test_knobs_that_a_kind_does_not_read_are_idle(offered):
    offered += ["softedge"]

    def idle(**changes):
        return without_effect(Recipe(controls=(Control(image=DIGEST, **changes),)), FACTS)

    assert {knob("blur")} <= idle()
    assert not idle() & {knob("low"), knob("kind")}
    assert {knob("low"), knob("high")} <= idle(kind="soft")
    assert knob("blur") not in idle(kind="soft")
    assert {knob("low"), knob("high"), knob("blur")} <= idle(given=True)
    assert set(KNOBS) <= without_effect(Recipe(), FACTS)
    offered.remove("softedge")
    assert knob("kind") in idle()


def test_kinds_that_cannot_be_had_are_named_with_the_reason(offered, monkeypatch):
    monkeypatch.setattr("engine.control.detectors.unavailable_reason", lambda kind: "it is not installed.")
    offered += ["openpose"]
    assert control_settings.choices(FACTS, None) == ("canny",)
    assert control_settings.choices(FACTS, Control(given=True)) == ("canny", "openpose")
    told = control_settings.not_offered("Tiny", FACTS, None)
    said = {"kinds": "pose", "source": KINDS["openpose"].source, "reason": "it is not installed"}
    assert told.endswith(words.KINDS_NOT_AVAILABLE.format(**said))


def test_a_missing_detector_is_told_beside_the_price(visit, house, offered, monkeypatch):
    monkeypatch.setattr("engine.control.detectors.unavailable_reason", lambda kind: "it is not installed")
    offered += ["openpose"]
    pose = replace(visit.recipe.controls[0], kind="openpose")
    take(visit, house, replace(visit.recipe, controls=(pose,)))
    assert visit.plan is None
    assert "it is not installed" in line(visit, house).text


def test_it_gives_its_shape_where_nothing_else_does(visit, house):
    assert (visit.recipe.width, visit.recipe.height) == (None, None)
    assert values_of(visit.recipe, house.facts())["shape"] == "picture"
    unfollow(visit, house)
    assert values_of(visit.recipe, house.facts())["shape"] == "1:1"


def test_the_map_is_drawn_once_for_all_knobs_that_it_does_not_read(visit, house):
    shown = overlay(visit, house)
    control = visit.recipe.controls[0]
    take(visit, house, replace(visit.recipe, controls=(replace(control, scale=0.3, blur=5.0, end=0.5),)))
    assert overlay(visit, house) is shown
    take(visit, house, replace(visit.recipe, controls=(replace(control, kind="soft"),)))
    assert overlay(visit, house) is not shown


def test_a_stage_has_its_own_map_and_no_longer_side_than_is_shown(visit, house, monkeypatch):
    monkeypatch.setattr("ui.panels.control_map.LONGEST_SIDE", 300)
    stages = [stage.size for stage in visit.plan.stages]
    assert stages == [(128, 128), (256, 256)]
    assert words.SIZES_IN_PX.format(sizes="256 × 256") in overlay(visit, house)
    visit.map_stage = 1
    assert 'width="128" height="128"' in overlay(visit, house)
    visit.map_stage = None
    take(visit, house, replace(visit.recipe, scales=(1.0, 4.0)))
    assert words.MAP_REDUCED.format(size="512 × 512", shown="300 × 300") in overlay(visit, house)


def test_nobody_follows_anothers_picture_by_its_digest(visit, house):
    other = Visit()
    take(other, house, visit.recipe)
    assert other.refused.sentence == errors.CONTROL_GONE
    assert words.CONTROL_IMAGE_GONE in overlay(other, house)
    assert [action["do"] for action in line(other, house).actions] == ["unfollow"]


def test_under_a_model_that_cannot_follow_it_is_told_and_can_be_taken_away(visit, house, monkeypatch):
    monkeypatch.setattr(controlnets, "_listed", tuple)
    take(visit, house, visit.recipe)
    said = line(visit, house)
    assert (said.fault, said.text) == (
        True,
        replace_names_with_labels(errors.CONTROL_NOTHING.format(model="tiny")),
    )
    assert [action["do"] for action in said.actions] == ["unfollow"]
    unfollow(visit, house)
    assert (visit.refused, visit.recipe.controls) == (None, ())


def test_a_start_picture_is_followed_instead(visit, house):
    digest = visit.recipe.controls[0].image
    take(visit, house, replace(visit.recipe, image=digest, controls=()))
    assert follow_start(visit, house)
    assert (visit.recipe.image, visit.recipe.controls) == (None, (Control(image=digest),))
    assert visit.step.undone(visit.recipe).image == digest


def test_a_link_names_it_and_differences_are_in_words():
    one = check(Recipe(controls=(Control(image=DIGEST),)))
    other = replace(one, controls=(Control(image=DIGEST, kind="soft", scale=0.5, stages=(1.0, 0.5)),))
    assert (to_query(one), left_out(one)) == ("", ("controls",))
    assert differences(Recipe(), one) == words.CONTROL_IMAGE_CHANGED
    assert differences(one, other) == (
        "Follow Edges → Soft edges, How closely 1 → 0.5, At each stage – → 1 · 0.5"
    )
    told = {name: value for name, _, value in told_settings(other)}
    assert told["controls"] == "Soft edges of 5e5e5e, How closely 0.5, At each stage 1 · 0.5"

"""Tests of the settings of the control image: widgets, recipes, maps and messages. No browser."""

from dataclasses import replace

import pytest

from engine import Recipe, errors
from engine.errors import BadRecipe
from engine.planning import controlnets
from engine.recipe import images
from engine.recipe.checks import check
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS, Control
from engine.serving.model_pool import ModelPool
from tests.support.planning import make_facts
from tests.support.running_app import tiny_entry
from ui.actions.dropped import remove_control, use_start_image_as_control
from ui.actions.replan import set_recipe
from ui.messages.status import status_message
from ui.messages.summaries import describe_differences
from ui.panels.control_map import map_html
from ui.session.finished import settings_table
from ui.session.services import open_services
from ui.session.session import Session
from ui.settings import control_settings
from ui.settings.control_settings import SETTING_BY_WIDGET, widget_name
from ui.settings.link import recipe_to_query, settings_left_out
from ui.settings.widgets import (
    control_widget,
    ineffective_widgets,
    recipe_from_widgets,
    values_without_widget,
    widget_values,
)
from ui.text import words
from ui.text.labels import replace_names_with_labels

DIGEST = "sha256:" + "5e" * 32
FACTS = make_facts(window=16)


@pytest.fixture
def services(tiny_folder, tmp_path, controlnet_kinds):
    services = open_services(
        tmp_path / "runs", ModelPool([tiny_entry(tiny_folder)], "cpu", "float32"), max_age=86400
    )
    yield services
    services.queue.close()


@pytest.fixture
def session(services, photo):
    """A session with a control whose image, of coloured squares, was dropped on its page."""
    session = Session(images={images.digest(photo): services.uploads.store(photo)})
    set_recipe(
        session, services, Recipe(prompt="a red house", controls=(Control(image=images.digest(photo)),))
    )
    assert session.refusal is None
    return session


@pytest.mark.parametrize("name", SETTING_BY_WIDGET.values())
def test_a_widget_has_label_help_and_range_of_its_setting(name):
    widget, setting = control_widget(name), CONTROL_SETTINGS[name]
    assert (widget.label, widget.info, widget.interactive) == (setting.label, setting.help, True)
    if setting.low is not None:
        assert (widget.minimum, widget.maximum, widget.step) == (setting.low, setting.high, setting.step)


def test_widgets_change_the_first_control_and_keep_all_other_settings_of_controls():
    first = Control(image=DIGEST, scale=0.5, stages=(1.0, 0.3))
    second = Control(image=DIGEST, kind="tile")
    recipe = Recipe(controls=(first, second))
    values, rest = widget_values(recipe, FACTS), values_without_widget(recipe)
    assert recipe_from_widgets(values, rest, FACTS).controls == (first, second)
    changed = recipe_from_widgets(values | {widget_name("start"): 0.25}, rest, FACTS).controls
    assert changed == (replace(first, start=0.25), second)
    changed = recipe_from_widgets(values | {widget_name("scale"): 0.7}, rest, FACTS).controls
    assert changed == (replace(first, scale=0.7, stages=()), second)


@pytest.mark.parametrize("value", [9, "x", float("nan"), [1], {"a": 1}, "../../net"])
@pytest.mark.parametrize("name", ["scale", "low", "kind", "given"])
def test_every_value_that_a_browser_sends_for_a_widget_is_checked(name, value):
    recipe = Recipe(controls=(Control(image=DIGEST),))
    values = widget_values(recipe, FACTS) | {widget_name(name): value}
    if (name, value) == ("low", 9):
        assert recipe_from_widgets(values, values_without_widget(recipe), FACTS).controls[0].low == 9
        return
    with pytest.raises(BadRecipe) as fault:
        recipe_from_widgets(values, values_without_widget(recipe), FACTS)
    assert fault.value.field == "controls"


@pytest.mark.parametrize(
    "control",
    [{"image": "/etc/passwd"}, {"image": DIGEST, "net": "/tmp/net"}, {"image": DIGEST, "net": "a/b"}],
)
def test_a_control_that_names_a_file_or_a_controlnet_is_refused(control):
    with pytest.raises(BadRecipe):
        recipe_from_widgets(
            widget_values(Recipe(), FACTS), {"controls": Recipe(controls=[control]).controls}, FACTS
        )


def test_widgets_that_a_kind_does_not_read_have_no_effect(controlnet_kinds):
    controlnet_kinds += ["softedge"]

    def ineffective(**changes):
        return ineffective_widgets(Recipe(controls=(Control(image=DIGEST, **changes),)), FACTS)

    assert {widget_name("blur")} <= ineffective()
    assert not ineffective() & {widget_name("low"), widget_name("kind")}
    assert {widget_name("low"), widget_name("high")} <= ineffective(kind="soft")
    assert widget_name("blur") not in ineffective(kind="soft")
    assert {widget_name("low"), widget_name("high"), widget_name("blur")} <= ineffective(given=True)
    assert set(SETTING_BY_WIDGET) <= ineffective_widgets(Recipe(), FACTS)
    controlnet_kinds.remove("softedge")
    assert widget_name("kind") in ineffective()


def test_unavailable_kinds_are_named_with_the_reason(controlnet_kinds, monkeypatch):
    monkeypatch.setattr("engine.control.detectors.unavailable_reason", lambda kind: "it is not installed.")
    controlnet_kinds += ["openpose"]
    assert control_settings.selectable_kinds(FACTS, None) == ("canny",)
    assert control_settings.selectable_kinds(FACTS, Control(given=True)) == ("canny", "openpose")
    sentences = control_settings.explain_missing_kinds("Tiny", FACTS, None)
    values = {
        "kinds": "pose",
        "source": MAP_KINDS["openpose"].detector_package,
        "reason": "it is not installed",
    }
    assert sentences.endswith(words.KINDS_NOT_AVAILABLE.format(**values))


def test_the_status_line_says_why_a_detector_is_missing(session, services, controlnet_kinds, monkeypatch):
    monkeypatch.setattr("engine.control.detectors.unavailable_reason", lambda kind: "it is not installed")
    controlnet_kinds += ["openpose"]
    pose = replace(session.recipe.controls[0], kind="openpose")
    set_recipe(session, services, replace(session.recipe, controls=(pose,)))
    assert session.plan is None
    assert "it is not installed" in status_message(session, services).text


def test_without_a_size_the_recipe_takes_the_shape_of_the_control_image(session, services):
    assert (session.recipe.width, session.recipe.height) == (None, None)
    assert widget_values(session.recipe, services.facts())["shape"] == "picture"
    remove_control(session, services)
    assert widget_values(session.recipe, services.facts())["shape"] == "1:1"


def test_the_map_is_drawn_again_only_if_a_setting_that_it_depends_on_changes(session, services):
    shown = map_html(session, services)
    control = session.recipe.controls[0]
    set_recipe(
        session, services, replace(session.recipe, controls=(replace(control, scale=0.3, blur=5.0, end=0.5),))
    )
    assert map_html(session, services) is shown
    set_recipe(session, services, replace(session.recipe, controls=(replace(control, kind="soft"),)))
    assert map_html(session, services) is not shown


def test_every_stage_has_a_map_of_its_size_reduced_to_the_longest_shown_side(session, services, monkeypatch):
    monkeypatch.setattr("ui.panels.control_map.MAX_MAP_SIDE", 300)
    sizes = [stage.size for stage in session.plan.stages]
    assert sizes == [(128, 128), (256, 256)]
    assert words.SIZES_IN_PX.format(sizes="256 × 256") in map_html(session, services)
    session.map_stage = 1
    assert 'width="128" height="128"' in map_html(session, services)
    session.map_stage = None
    set_recipe(session, services, replace(session.recipe, scales=(1.0, 4.0)))
    assert words.MAP_REDUCED.format(size="512 × 512", shown="300 × 300") in map_html(session, services)


def test_a_control_image_of_another_session_is_not_found_by_its_digest(session, services):
    other = Session()
    set_recipe(other, services, session.recipe)
    assert other.refusal.sentence == errors.CONTROL_PICTURE_GONE
    assert words.CONTROL_IMAGE_GONE in map_html(other, services)
    assert [action["do"] for action in status_message(other, services).actions] == ["unfollow"]


def test_a_control_that_the_model_does_not_support_is_refused_and_can_be_removed(
    session, services, monkeypatch
):
    monkeypatch.setattr(controlnets, "_listed_controlnets", tuple)
    set_recipe(session, services, session.recipe)
    message = status_message(session, services)
    assert (message.fault, message.text) == (
        True,
        replace_names_with_labels(errors.CONTROL_UNSUPPORTED.format(model="tiny")),
    )
    assert [action["do"] for action in message.actions] == ["unfollow"]
    remove_control(session, services)
    assert (session.refusal, session.recipe.controls) == (None, ())


def test_the_start_image_can_become_the_control_image(session, services):
    digest = session.recipe.controls[0].image
    set_recipe(session, services, replace(session.recipe, image=digest, controls=()))
    assert use_start_image_as_control(session, services)
    assert (session.recipe.image, session.recipe.controls) == (None, (Control(image=digest),))
    assert session.undoable_change.revert(session.recipe).image == digest


def test_a_link_leaves_controls_out_and_their_differences_are_described():
    default = check(Recipe(controls=(Control(image=DIGEST),)))
    other = replace(default, controls=(Control(image=DIGEST, kind="soft", scale=0.5, stages=(1.0, 0.5)),))
    assert (recipe_to_query(default), settings_left_out(default)) == ("", ("controls",))
    assert describe_differences(Recipe(), default) == words.CONTROL_IMAGE_CHANGED
    assert describe_differences(default, other) == (
        "Control type Edges → Soft edges, Control strength 1 → 0.5, Strength by stage – → 1 · 0.5"
    )
    table = {name: value for name, _, value in settings_table(other)}
    assert table["controls"] == "Soft edges of 5e5e5e, Control strength 0.5, Strength by stage 1 · 0.5"

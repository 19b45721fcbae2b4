"""A control on the page: its image is dropped, its map is shown, runs use it and store it."""

from pathlib import Path

import pytest
from PIL import Image

from engine import errors, generate
from engine.errors import short_repr
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS
from engine.recipe.recall import recall
from engine.runs import store
from tests.support.control_panel import (
    drawing_png,
    drop_control_image,
    expect_control,
    expect_no_control,
    map_image,
    press_follow_edges,
)
from tests.support.dropped_files import drop_file
from tests.support.page_queries import (
    expect,
    expect_done,
    expect_runs_done,
    fill_prompt,
    message_pattern,
    open_save_menu,
    press_button,
    press_continue,
    press_generate,
    set_number,
    stop_in_stage_two,
)
from tests.support.planning import small_recipe
from tests.support.run_results import stage_done_events
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("controlnet_kinds")]

LABELS = {name: setting.label for name, setting in CONTROL_SETTINGS.items()}


def records(running_app):
    """Yield (run, recipe) of every run that finished its second stage."""
    for run in running_app.runs():
        stages = store.finished_stages(run)
        if 2 in stages:
            yield run, recall(stages[2][1] / store.PICTURE_FILE).recipe


def test_a_dropped_picture_becomes_a_control_instead_of_the_start_image(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page, "a red house")
    drop_file(page, "drawing.png", drawing_png())
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    press_follow_edges(page)
    expect_control(page)
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_have_count(0)
    expect(page.locator("#sizes")).to_contain_text("160 × 104 → 312 × 208")
    expect(page.locator("#map")).to_contain_text("312 × 208 px")
    expect(page.locator("#aside")).to_have_text(words.FOLLOWS_ONE_KIND.format(title="Tiny", kind="edges"))
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a red house")
    press_button(page, words.UNDO)
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    expect(map_image(page)).to_have_count(0)
    press_button(page.locator("#start"), words.FOLLOW_EDGES)
    expect_control(page)
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_have_count(0)


def test_a_run_with_a_control_is_stopped_and_continued(running_app, open_page):
    page = open_page(running_app.url)
    drop_control_image(page)
    set_number(page, "follow_scale", 0.7)
    running_app.gate.close()
    press_generate(page)
    stop_in_stage_two(page, running_app.gate)
    page.reload()
    expect_control(page)
    expect(page.locator("#follow_scale input[type=number]")).to_have_value("0.7")
    press_continue(page)
    expect_runs_done(page, 2)
    ((run, recipe),) = records(running_app)
    (control,) = recipe.controls
    assert (control.kind, control.scale) == ("canny", 0.7)
    with Image.open(store.find_image(run, control.image)) as kept:
        assert kept.size == (288, 192)
    open_save_menu(page)
    expect(page.get_by_text(words.LINK_WITHOUT_CONTROL_IMAGE)).to_be_visible()
    page.keyboard.press("Escape")
    set_number(page, "follow_scale", 0.4)
    expect(page.get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_contain_text(
        f"{LABELS['scale']} 0.7 → 0.4"
    )


def test_a_control_changes_the_picture_and_is_named_in_a_comparison(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    drop_control_image(page)
    page.get_by_label("1:1", exact=True).check()
    press_generate(page)
    expect_runs_done(page, 2)
    plain, controlled = sorted(records(running_app), key=lambda each: len(each[1].controls))
    made = [store.read_stage(store.find_stage(run, 1)[1]).latents for run, _ in (plain, controlled)]
    assert (made[0] != made[1]).any()
    press_button(page, words.STAGES_PANEL["compare"])
    page.get_by_label(words.STAGES_PANEL["picture_a"]).select_option(index=0)
    expect(page.locator(".st-differ")).to_contain_text(MAP_KINDS["canny"].title)


def test_a_picture_made_here_offers_three_uses_and_its_missing_control_image_is_requested(
    running_app, open_page, model, tmp_path
):
    (tmp_path / "drawing.png").write_bytes(drawing_png())
    recipe = small_recipe(controls=[{"kind": "canny", "image": str(tmp_path / "drawing.png"), "scale": 0.6}])
    made = stage_done_events(generate(recipe, model, out=tmp_path / "elsewhere", until=1))[0].image
    page = open_page(running_app.url)
    drop_file(page, "ours.png", Path(made).read_bytes())
    for action in (words.USE_SETTINGS, words.ENLARGE_IT, words.FOLLOW_EDGES):
        expect(page.locator(".st").get_by_role("button", name=action, exact=True)).to_be_visible()
    press_button(page, words.USE_SETTINGS)
    expect(page.get_by_role("alert")).to_contain_text(errors.CONTROL_PICTURE_GONE)
    expect(page.locator("#map")).to_have_text(words.CONTROL_IMAGE_GONE)
    expect(page.get_by_role("button", name=words.GENERATE, exact=True)).to_be_disabled()
    press_button(page.locator(".st"), words.TAKE_AWAY)
    expect_no_control(page, shape=None)
    expect(page.get_by_role("alert")).to_have_count(0)
    drop_file(page, "ours.png", Path(made).read_bytes())
    press_follow_edges(page)
    expect_control(page)
    press_button(page, words.UNDO)
    expect_no_control(page, shape=None)


def test_an_unreadable_file_leaves_the_control_which_can_be_removed(running_app, open_page):
    page = open_page(running_app.url)
    drop_control_image(page)
    drop_file(page, "torn.png", drawing_png()[:200])
    expect(page.get_by_role("alert")).to_have_text(
        errors.PICTURE_UNREADABLE.format(name=short_repr("torn.png"))
    )
    expect_control(page)
    press_button(page.locator("#follow"), words.TAKE_AWAY)
    expect_no_control(page)


def test_a_reload_requests_a_control_image_that_no_run_used(running_app, open_page):
    page = open_page(running_app.url)
    drop_control_image(page)
    page.wait_for_function("localStorage.getItem('demofusion-studio').length > 0")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text(errors.CONTROL_PICTURE_GONE)
    drop_control_image(page)


def test_a_model_without_controlnets_offers_no_control(running_app, open_page, monkeypatch):
    monkeypatch.setattr("engine.planning.controlnets._listed_controlnets", tuple)
    page = open_page(running_app.url)
    drop_file(page, "drawing.png", drawing_png())
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    expect(page.get_by_role("button", name=words.FOLLOW_EDGES)).to_have_count(0)
    expect(page.get_by_role("button", name=words.FOLLOW_SECTION)).to_have_count(0)

"""The control map that the page shows."""

import pytest

from engine import errors
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS
from tests.support.control_panel import drawing_png, drop_control_image, expect_control, map_source
from tests.support.dropped_files import drop_file
from tests.support.page_queries import (
    expect,
    expect_done,
    fill_prompt,
    press_generate,
    set_number,
    status_line,
)
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("controlnet_kinds")]

LABELS = {name: setting.label for name, setting in CONTROL_SETTINGS.items()}


def test_settings_change_the_map_at_once_and_stages_show_it_at_their_sizes(running_app, open_page):
    page = open_page(running_app.url)
    drop_control_image(page)
    circle = map_source(page)
    set_number(page, "follow_low", 4)
    set_number(page, "follow_high", 8)
    expect(page.locator("#map img.whole")).not_to_have_attribute("src", circle)
    both = map_source(page)
    set_number(page, "follow_scale", 0.5)
    expect(status_line(page)).to_contain_text("312 × 208")
    assert map_source(page) == both
    page.get_by_label("160 × 104", exact=True).check()
    expect(page.locator("#map")).to_contain_text("160 × 104 px")
    expect(page.locator("#map img.whole")).to_have_attribute("width", "160")
    expect(page.locator("#map img.whole")).to_be_hidden()
    page.get_by_label(words.MAP_ONE_TO_ONE).check()
    expect(page.locator("#map img.whole")).to_be_visible()
    expect(page.locator("#map img.fitting")).to_be_hidden()
    set_number(page, "follow_low", 20)
    expect(page.get_by_role("alert")).to_have_text(errors.CONTROL_THRESHOLDS.format(high=8, low=20))


def test_the_last_stage_is_chosen_for_the_map_of_a_picture_that_a_run_started_from(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    drop_file(page, "drawing.png", drawing_png())
    expect(page.locator("#away")).to_be_visible()
    press_generate(page)
    expect_done(page)
    page.locator("#follow-it").click()
    expect_control(page)
    expect(page.get_by_label("312 × 208", exact=True)).to_be_checked()


def test_a_map_that_is_too_small_is_refused_before_a_run(running_app, open_page):
    page = open_page(running_app.url)
    drop_control_image(page)
    page.get_by_label(LABELS["given"]).check()
    expect(page.get_by_role("alert")).to_contain_text("A map is never enlarged")
    expect(page.locator("#map")).to_contain_text("A map is never enlarged")
    page.get_by_label(LABELS["given"]).uncheck()
    expect_control(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_each_kind_of_map_has_its_own_settings(running_app, open_page, controlnet_kinds):
    controlnet_kinds += ["softedge", "openpose"]
    page = open_page(running_app.url)
    drop_control_image(page)
    lines = map_source(page)
    expect(page.locator("#follow_blur")).to_have_count(0)
    page.get_by_label(LABELS["kind"]).click()
    page.get_by_role("option", name=MAP_KINDS["soft"].title, exact=True).click()
    expect(page.locator("#follow_blur")).to_be_visible()
    expect(page.locator("#follow_low")).to_have_count(0)
    expect(page.locator("#map img.whole")).not_to_have_attribute("src", lines)


def test_a_phone_shows_the_map_without_scrolling_sideways_and_its_buttons_are_large(running_app, open_page):
    page = open_page(running_app.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    drop_control_image(page)
    for target in ("#unfollow", "#map-toggle .toggle", "#map-stage label >> nth=0"):
        assert page.locator(target).bounding_box()["height"] >= 44
    page.get_by_label(words.MAP_ONE_TO_ONE).check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

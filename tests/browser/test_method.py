"""Another method on the page: its settings are shown, those of others hidden, and the picture records it."""

import re

import pytest

from engine.recipe.options import OPTIONS
from engine.recipe.recall import recall
from engine.recipe.recipe import SETTINGS
from engine.runs import store
from tests.support.page_queries import (
    expect,
    expect_done,
    fill_prompt,
    finished_cards,
    open_section,
    press_button,
    press_generate,
)
from ui.text import methods, words

pytestmark = pytest.mark.browser


def choose(page, method):
    """Choose a method."""
    open_section(page, re.compile(f"^{methods.METHOD_HEADING}"))
    page.locator(f"#method input[value={method}]").check()
    expect(
        page.get_by_role(
            "button", name=methods.METHOD_HEADING_CHOSEN.format(title=methods.METHOD_TITLES[method])
        )
    ).to_be_visible()


def test_a_method_shows_its_settings_and_the_picture_records_it(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    alpha, restart = page.locator("#alpha1"), page.locator("#restart")
    expect(alpha).to_be_visible()
    expect(restart.locator("input[type=number]")).to_have_value("1")
    choose(page, "sdedit")
    expect(restart).to_contain_text(OPTIONS["restart"].label)
    expect(restart.locator("input[type=number]")).to_have_value("0.6")
    for name in ("alpha1", "alpha2", "alpha3", "sigma1", "sigma2", "stride", "alphas"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    restart.locator("input[type=number]").fill("0.5")
    restart.locator("input[type=number]").press("Tab")
    press_generate(page)
    expect_done(page)
    (run,) = running_app.runs()
    recipe = recall(store.finished_stages(run)[2][1] / store.PICTURE_FILE).recipe
    assert (recipe.method, dict(recipe.options)) == ("sdedit", {"restart": 0.5})


def test_a_method_of_one_stage_can_be_changed_back_to_one_of_several(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    choose(page, "direct")
    expect(page.get_by_role("heading", name=methods.METHOD_SETTINGS)).to_be_visible()
    expect(page.locator("#windows")).to_contain_text(methods.WHOLE_PICTURE_AT_ONCE)
    press_generate(page)
    expect_done(page, stages=1)
    page.locator("#method input[value=demofusion]").check()
    expect(page.locator("#alpha1")).to_contain_text(SETTINGS["alpha1"].label)
    press_generate(page)
    expect_done(page)
    expect(page.locator(".st-earlier-run")).to_have_count(2)
    expect(page.locator(".st-earlier")).to_contain_text(f"{methods.METHOD_TITLES['direct']} · a red house")


def test_a_method_without_start_images_offers_one_that_takes_them(running_app, open_page, photo):
    page = open_page(running_app.url)
    fill_prompt(page)
    page.locator("#ask input[type=file]").set_input_files(photo)
    expect(page.locator("#away")).to_be_visible()
    choose(page, "hidiffusion")
    expect(page.locator(".st-status")).to_contain_text("cannot start from a picture")
    press_button(page, words.USE_VALUE.format(value=methods.METHOD_TITLES["demofusion"]))
    expect(page.locator("#method input[value=demofusion]")).to_be_checked()
    expect(finished_cards(page)).to_have_count(0)

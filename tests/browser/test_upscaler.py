"""An upscaler on the page: as the method, and between the stages of another method."""

import pytest
from PIL import Image

from engine import recall
from tests.browser.test_method import choose
from tests.support.page_queries import (
    expect_done,
    fill_prompt,
    open_section,
    press_generate,
    status_line,
)
from tests.support.upscalers import needs_realesrgan
from ui.text import methods, words

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# The heading of the section in which a method is chosen.
METHOD_SECTION = methods.METHOD_HEADING_CHOSEN.format(title=methods.METHOD_TITLES["demofusion"])


def enlarge_by(page, name):
    """Choose how stages are enlarged."""
    box = page.locator("#enlarge input")
    box.click()
    page.get_by_role("option", name=methods.ENLARGE_TITLES[name]).first.click()
    expect(box).to_have_value(methods.ENLARGE_TITLES[name])


def largest_picture(running_app):
    """Read the recipe in the picture of the last stage of the newest run, and the picture's size."""
    run = max(running_app.runs(), key=lambda run: run.stat().st_mtime)
    path = max(run.glob("stage-*/picture.png"))
    return recall(path).recipe, Image.open(path).size


def test_an_upscaler_makes_the_second_stage_and_the_picture_names_it(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    choose(page, "upscaler")
    enlarge_by(page, "lanczos")
    expect(page.locator("#curves")).to_contain_text(
        methods.MADE_BY_UPSCALER.format(title=methods.ENLARGE_TITLES["lanczos"])
    )
    expect(page.locator("#alpha1")).to_be_hidden()
    press_generate(page)
    expect_done(page)
    recipe, size = largest_picture(running_app)
    assert (recipe.method, recipe.enlarge, size) == ("upscaler", "lanczos", (256, 256))


@needs_realesrgan
def test_real_esrgan_enlarges_between_the_stages(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    open_section(page, METHOD_SECTION)
    enlarge_by(page, "realesr-animevideo")
    press_generate(page)
    expect_done(page)
    recipe, _ = largest_picture(running_app)
    assert (recipe.method, recipe.enlarge) == ("demofusion", "realesr-animevideo")


def test_an_upscaler_that_is_not_installed_is_refused_with_the_way_to_get_it(running_app, open_page):
    page = open_page(running_app.url)
    open_section(page, METHOD_SECTION)
    page.locator("#enlarge input").click()
    option = page.get_by_role("option", name=methods.ENLARGE_TITLES["remacri"])
    expect(option).to_contain_text("hf download")
    assert option.evaluate("option => getComputedStyle(option).opacity") == "0.5"
    option.click()
    expect(status_line(page)).to_contain_text("hf download")
    page.get_by_role("button", name=words.USE_VALUE.format(value=methods.ENLARGE_TITLES[""])).click()
    expect(page.locator("#enlarge input")).to_have_value(methods.ENLARGE_TITLES[""])

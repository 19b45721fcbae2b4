"""The modules of the stages panel while they load, and if they cannot be loaded."""

import pytest

from tests.support.page_queries import expect, set_number, status_line
from ui.panels.modules import MAIN_MODULE, modules_path
from ui.panels.stages import LOADER
from ui.text import words

pytestmark = pytest.mark.browser

PANEL = words.STAGES_PANEL
MAIN_URL = f"**{modules_path()}/{MAIN_MODULE}"


def test_values_that_arrive_before_the_modules_are_shown_afterwards(running_app, open_page):
    page = open_page(running_app.url)
    held = []
    page.route(MAIN_URL, lambda route: held.append(route))
    page.reload()
    page.locator("#sizes").get_by_text("px").wait_for()
    with page.expect_response(lambda answer: "/gradio_api/run/" in answer.url):
        set_number(page, "scale_stages", 3)
    expect(page.locator("#sizes")).to_contain_text("512")
    expect(page.locator(".st > *")).to_have_count(0)
    (route,) = held
    route.continue_()
    expect(status_line(page)).to_contain_text("128 → 256 → 512")


@pytest.mark.parametrize("name", [MAIN_MODULE, "viewer.js"])
def test_the_panel_says_that_a_module_could_not_be_loaded(running_app, open_page, name):
    page = open_page(running_app.url)
    page.route(f"**{modules_path()}/{name}", lambda route: route.abort())
    page.reload()
    expect(page.locator(".st").get_by_role("alert")).to_have_text(PANEL["not_loaded"])


# Runs the script that loads the panel and, before the modules can have been loaded, sets two values, the newer one
# first. Returns the text of the status line.
TWO_EARLY_VALUES = """async (words) => {
  const url = new URL("MAIN", document.baseURI).href;
  const { EMPTY_VALUE } = await import(new URL("value.js", url));
  const element = document.createElement("div");
  const props = { value: null, words, main: { url } };
  const watching = [];
  (LOADER)(element, props, () => {}, (name, onChange) => watching.push(onChange));
  for (const [at, text] of [[2, "newer"], [1, "older"]]) {
    props.value = { ...EMPTY_VALUE, at, status: { ...EMPTY_VALUE.status, text } };
    for (const onChange of watching) onChange();
  }
  await import(url);
  await new Promise(requestAnimationFrame);
  return element.querySelector(".st-line").textContent;
}"""


def test_no_early_value_is_lost_and_an_older_one_does_not_replace_a_newer_one(running_app, open_page):
    page = open_page(running_app.url)
    loader = LOADER.read_text(encoding="utf-8")
    script = TWO_EARLY_VALUES.replace("MAIN", f".{modules_path()}/{MAIN_MODULE}").replace("LOADER", loader)
    assert page.evaluate(script, PANEL) == "newer"

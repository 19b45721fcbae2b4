"""The examples: a click shows the picture and sets its settings."""

import pytest
from PIL import Image

from lab.publish.example import make_example
from tests.support.page_queries import expect, finished_cards, press_button
from tests.support.pictures import save_squares
from tests.support.planning import small_recipe
from tests.support.running_app import serve_app
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def app(tmp_path_factory, tiny_folder):
    """A running app with three examples: one to open with, one from a picture, and one of another method."""
    root = tmp_path_factory.mktemp("examples")
    picture = save_squares(root / "squares.png", 256, 256)
    recipes = {
        "example": small_recipe(prompt="a white cat", steps=4),
        "others/picture": small_recipe(prompt="a red house", steps=4, image=str(picture), fidelity=0.8),
        "others/methods": small_recipe(prompt="a white cat", steps=4, method="multidiffusion"),
    }
    for name, recipe in recipes.items():
        make_example(tiny_folder, root / name, recipe)
    folders = {"example": root / "example", "other_examples": root / "others"}
    with serve_app(root / "runs", tiny_folder, **folders) as app:
        yield app


def press_example(page, name):
    """Press the button of an example."""
    page.get_by_role("button", name=words.EXAMPLE_TITLES[name], exact=True).click()


def test_an_example_shows_its_picture_and_sets_its_settings_and_both_can_be_undone(app, open_page):
    page = open_page(app.url)
    expect(
        page.get_by_role("list", name=words.STAGES_PANEL["examples"]).get_by_role("listitem")
    ).to_have_count(3)
    press_example(page, "picture")
    prompt = page.get_by_label(words.PROMPT_LABEL)
    expect(prompt).to_have_value("a red house")
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    expect(finished_cards(page)).to_have_count(2)
    expect(page.locator("#generate")).to_be_enabled()
    press_button(page, words.UNDO)
    expect(prompt).to_have_value("a white cat")
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_have_count(0)


def test_a_picture_is_compared_with_the_one_that_it_was_started_from(app, open_page):
    page = open_page(app.url)
    press_example(page, "picture")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a red house")
    press_button(page, words.STAGES_PANEL["compare"])
    left = page.get_by_role("combobox", name=words.STAGES_PANEL["picture_a"])
    left.select_option(label=f"{words.START_IMAGE_ALT}, 256 × 256")
    expect(page.locator(".st-differ")).to_have_text(words.STAGES_PANEL["against_start"].format(side="A"))
    # Left of the divider, in the middle of a square, the viewer shows the start picture's colour.
    start = Image.open(next(app.services.examples["picture"].glob("upload-*.png"))).convert("RGB")
    expected = start.getpixel((80, 80))
    page.wait_for_function(
        """expected => {
          const canvas = document.querySelector("#viewer canvas");
          const side = Math.min(canvas.width, canvas.height);
          const at = [canvas.width, canvas.height].map((length) => (length - side) / 2 + (80 / 256) * side);
          const seen = canvas.getContext("2d").getImageData(...at.map(Math.round), 1, 1).data;
          return expected.every((value, channel) => Math.abs(value - seen[channel]) < 16);
        }""",
        arg=expected,
    )


def test_the_example_of_methods_is_compared_with_the_one_that_the_page_opens_with(app, open_page):
    page = open_page(app.url)
    press_example(page, "methods")
    expect(page.locator(".st-differ")).to_contain_text("MultiDiffusion")
    expect(page.locator("#looks")).to_be_hidden()
    expect(page.locator("#slider-help")).to_be_hidden()
    press_example(page, "picture")
    expect(page.locator(".st-differ")).to_be_hidden()
    expect(page.locator("#looks")).to_be_visible()
    expect(page.locator("#slider-help")).to_be_visible()


def test_an_example_and_its_start_picture_survive_a_reload(app, open_page):
    page = open_page(app.url)
    press_example(page, "picture")
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    page.reload()
    expect(page.get_by_role("img", name=words.START_IMAGE_ALT)).to_be_visible()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a red house")
    expect(finished_cards(page)).to_have_count(2)

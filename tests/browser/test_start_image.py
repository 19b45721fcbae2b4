"""A start image on the page: it is dropped, runs start from it, and it can be removed."""

from pathlib import Path

import pytest
from PIL import Image

from engine import errors, generate
from engine.errors import short_repr
from engine.recipe.recall import recall
from engine.recipe.recipe import SETTINGS
from engine.runs import store
from tests.support.dropped_files import (
    animated_gif,
    cmyk_jpeg,
    drop_file,
    encode_image,
    huge_png,
    png_of_16_bits,
)
from tests.support.page_queries import (
    continue_button,
    expect,
    expect_done,
    expect_runs_done,
    fill_prompt,
    finished_cards,
    message_pattern,
    open_save_menu,
    press_button,
    press_continue,
    press_generate,
    set_number,
    status_line,
    wait_until_stored,
)
from tests.support.pictures import save_squares
from tests.support.planning import small_recipe
from tests.support.run_results import stage_done_events
from ui.text import words

pytestmark = pytest.mark.browser

FIDELITY = SETTINGS["fidelity"].label


@pytest.fixture
def wide(tmp_path):
    """A JPEG of 288 x 192 px."""
    return encode_image(Image.open(save_squares(tmp_path / "wide.png", 192, 288)), "JPEG", quality=95)


def start_image(page):
    """Find the start image that is shown."""
    return page.get_by_role("img", name=words.START_IMAGE_ALT)


def expect_start_image(page):
    """Check that the page shows a start image and its settings, and takes its shape."""
    expect(start_image(page)).to_be_visible()
    expect(page.locator("#fidelity")).to_be_visible()
    expect(page.get_by_label(words.SHAPE_OF_PICTURE)).to_be_checked()


def expect_no_start_image(page):
    """Check that the page shows no start image and has its default shape."""
    expect(start_image(page)).to_have_count(0)
    expect(page.locator("#fidelity")).to_have_count(0)
    expect(page.locator("#away")).to_have_count(0)
    expect(page.get_by_label(words.SHAPE_OF_PICTURE)).to_have_count(0)
    expect(page.get_by_label("1:1")).to_be_checked()


def test_a_dropped_picture_becomes_the_start_image_in_its_own_shape_and_can_be_removed(
    running_app, open_page, wide
):
    page = open_page(running_app.url)
    fill_prompt(page, "a red house")
    expect(page.locator("#sizes")).to_contain_text("128 → 256")
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    expect(page.get_by_role("heading", name=words.FROM_STAGE_ONE)).to_be_visible()
    expect(page.locator("#given")).to_contain_text("288 × 192")
    expect(page.locator("#sizes")).to_contain_text("160 × 104 → 312 × 208")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a red house")
    press_button(page.locator(".st"), words.TAKE_AWAY)
    expect_no_start_image(page)
    expect(page.get_by_role("heading", name=words.FROM_STAGE_TWO)).to_be_visible()
    expect(page.locator("#sizes")).to_contain_text("128 → 256")


def test_a_chosen_shape_crops_the_start_image(running_app, open_page, wide):
    page = open_page(running_app.url)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    page.get_by_label("1:1").check()
    expect(page.locator("#sizes")).to_contain_text("128 → 256")
    press_button(page.locator("#start"), words.TAKE_AWAY)
    expect_no_start_image(page)


@pytest.mark.parametrize(
    ("name", "content"),
    [("dance.gif", animated_gif()), ("deep.png", png_of_16_bits()), ("printed.jpg", cmyk_jpeg())],
)
def test_pictures_of_every_kind_become_start_images(running_app, open_page, name, content):
    page = open_page(running_app.url)
    drop_file(page, name, content)
    expect_start_image(page)
    expect(page.locator("#given")).to_contain_text("8 × 8")


def test_an_unreadable_file_leaves_the_start_image_as_it_is(running_app, open_page, wide):
    page = open_page(running_app.url)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    for name, content, sentence in (
        ("torn.jpg", wide[:2000], errors.PICTURE_UNREADABLE.format(name=short_repr("torn.jpg"))),
        ("wall.png", huge_png(), errors.PICTURE_TOO_LARGE.format(limit=40)),
    ):
        drop_file(page, name, content)
        expect(page.get_by_role("alert")).to_have_text(sentence)
        expect_start_image(page)
    expect(page.locator("#sizes")).to_contain_text("160 × 104 → 312 × 208")


def test_a_run_starts_from_the_start_image_and_stores_it(running_app, open_page, wide, tmp_path):
    page = open_page(running_app.url)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    set_number(page, "fidelity", 0.8)
    press_generate(page)
    expect_done(page)
    (run,) = running_app.runs()
    recipe = recall(store.finished_stages(run)[2][1] / store.PICTURE_FILE).recipe
    (tmp_path / "same.jpg").write_bytes(wide)
    assert recipe.fidelity == 0.8
    assert (recipe.width, recipe.height) == (312, 208)
    kept = store.find_image(run, recipe.image)
    with Image.open(kept) as ours, Image.open(tmp_path / "same.jpg") as theirs:
        assert ours.tobytes() == theirs.tobytes()
    open_save_menu(page)
    expect(page.get_by_text(words.LINK_WITHOUT_START_IMAGE)).to_be_visible()
    page.keyboard.press("Escape")
    press_button(page.locator("#start"), words.TAKE_AWAY)
    expect(page.get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_contain_text(
        words.START_IMAGE_CHANGED
    )


def test_a_run_from_a_start_image_is_stopped_and_continued_after_a_reload(running_app, open_page, wide):
    page = open_page(running_app.url)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    running_app.gate.close()
    press_generate(page)
    page.get_by_role("button", name=words.STOP, exact=True).wait_for()
    running_app.gate.allow(3)
    expect(page.locator(".st-status")).to_have_text(message_pattern(words.RUNNING_STAGE))
    press_button(page, words.STOP)
    running_app.gate.open()
    expect(continue_button(page)).to_be_visible()
    page.reload()
    expect_start_image(page)
    press_continue(page)
    expect_runs_done(page, 2)
    assert (
        len(
            {
                store.find_image(run, recall(picture).recipe.image).name
                for run, picture in second_stages(running_app)
            }
        )
        == 1
    )


def second_stages(running_app):
    """Yield (run, picture file) of every run that finished its second stage."""
    for run in running_app.runs():
        stages = store.finished_stages(run)
        if 2 in stages:
            yield run, stages[2][1] / store.PICTURE_FILE


def test_a_reload_requests_a_start_image_that_no_run_used(running_app, open_page, wide):
    page = open_page(running_app.url)
    wait_until_stored(page, lambda: drop_file(page, "wide.jpg", wide))
    expect_start_image(page)
    page.reload()
    expect(page.get_by_role("alert")).to_have_text(errors.PICTURE_GONE)
    expect(page.locator("#given")).to_have_text(words.START_IMAGE_GONE)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_picture_made_here_is_enlarged_with_its_own_prompt_which_can_be_undone(
    running_app, open_page, model, tmp_path
):
    recipe = small_recipe(prompt="a green tree", scales=(1, 2))
    made = stage_done_events(generate(recipe, model, out=tmp_path / "elsewhere"))[-1].image
    page = open_page(running_app.url)
    fill_prompt(page, "my own words")
    drop_file(page, "tree.png", Path(made).read_bytes())
    press_button(page, words.ENLARGE_IT)
    expect_start_image(page)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#sizes")).to_contain_text("128 → 256 → 512")
    press_button(page, words.UNDO)
    expect_no_start_image(page)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("my own words")
    expect(page.locator("#sizes")).to_have_text("128 → 256 px")


def test_a_start_image_of_another_session_cannot_be_used_by_its_digest(running_app, open_page, wide):
    owner = open_page(running_app.url)
    drop_file(owner, "wide.jpg", wide)
    expect_start_image(owner)
    press_generate(owner)
    expect_done(owner)
    (run,) = running_app.runs()
    other = open_page(running_app.url)
    drop_file(other, "ours.png", (store.finished_stages(run)[2][1] / store.PICTURE_FILE).read_bytes())
    press_button(other, words.USE_SETTINGS)
    expect(other.get_by_role("alert")).to_have_text(errors.PICTURE_GONE)
    expect(other.locator("#given")).to_have_text(words.START_IMAGE_GONE)
    expect(other.get_by_role("button", name=words.GENERATE, exact=True)).to_be_disabled()
    expect(finished_cards(other)).to_have_count(0)


def test_a_comparison_names_a_different_start_image(running_app, open_page, wide):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    expect(status_line(page)).to_contain_text(words.START_IMAGE_SET)
    press_generate(page)
    expect_runs_done(page, 2)
    press_button(page, words.STAGES_PANEL["compare"])
    page.get_by_label(words.STAGES_PANEL["picture_a"]).select_option(index=0)
    expect(page.locator(".st-differ")).to_contain_text(SETTINGS["image"].label)


def test_uploads_cannot_be_downloaded(running_app, open_page, wide):
    page = open_page(running_app.url)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    (kept,) = running_app.services.uploads.folder.rglob("*.png")
    assert page.request.get(f"{running_app.url}gradio_api/file={kept}").status in (403, 404)


def test_a_phone_shows_the_start_image_without_scrolling_sideways(running_app, open_page, wide):
    page = open_page(running_app.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    drop_file(page, "wide.jpg", wide)
    expect_start_image(page)
    assert page.locator("#away").bounding_box()["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_file_can_be_dropped_anywhere_on_the_page(running_app, open_page, wide):
    page = open_page(running_app.url)
    page.evaluate(
        """([data]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(data)], "wide.jpg", { type: "image/jpeg" }));
            const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
            const frame = document.querySelector("#viewer");
            frame.dispatchEvent(new DragEvent("dragover", options));
            frame.dispatchEvent(new DragEvent("drop", options));
        }""",
        [list(wide)],
    )
    expect(start_image(page)).to_be_visible()

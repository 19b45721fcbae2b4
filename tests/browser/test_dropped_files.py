"""Files on the drop zone: pictures made here restore their settings, unreadable files are refused in a sentence."""

import base64
import json
from pathlib import Path

import pytest

from engine import errors, generate
from engine.errors import short_repr
from tests.support.dropped_files import PNG, drop_file, huge_png, png_with_recipe
from tests.support.page_queries import (
    expect,
    fill_prompt,
    message_pattern,
    open_section,
    press_button,
    set_number,
    status_line,
)
from tests.support.planning import small_recipe
from tests.support.run_results import stage_done_events
from ui.text import words
from ui.text.labels import join_labels

pytestmark = pytest.mark.browser

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="8" height="8"/></svg>'


def unreadable(name):
    """Return the message of a file that is no picture."""
    return errors.PICTURE_UNREADABLE.format(name=short_repr(name))


def test_every_bad_file_is_refused_in_a_sentence_and_changes_nothing(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page, "my own words")
    set_number(page, "alpha1", 2)
    # No message comes twice in a row, so that the one before is not mistaken for it.
    for name, content, sentence in (
        ("torn.png", PNG + b"torn" * 20, unreadable("torn.png")),
        ("drawing.png", SVG, unreadable("drawing.png")),
        ("wall.png", huge_png(), errors.PICTURE_TOO_LARGE.format(limit=40)),
        ("holiday.heic", b"\x00\x00\x00\x18ftypheic" + b"\xff\xfe\x80" * 40, unreadable("holiday.heic")),
        ("list.json", b'{"a": [1, 2]}', errors.NOT_A_RECIPE),
        ("empty.json", b"", errors.RECALL_NOT_JSON),
    ):
        drop_file(page, name, content)
        expect(page.get_by_role("alert")).to_have_text(sentence)
        expect(page.get_by_role("button", name=words.USE_SETTINGS)).to_have_count(0)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("my own words")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    assert running_app.runs() == []


def test_a_picture_made_here_restores_its_settings(running_app, open_page, model, tmp_path):
    recipe = small_recipe(prompt="a green tree", alpha1=1.5, seed=7, dilated=False, scales=(1, 2, 4))
    picture = stage_done_events(generate(recipe, model, out=tmp_path / "elsewhere", until=1))[0].image
    page = open_page(running_app.url)
    drop_file(page, "tree.png", Path(picture).read_bytes())
    offer = status_line(page).get_by_role("button", name=words.USE_SETTINGS, exact=True)
    expect(status_line(page)).to_have_text(message_pattern(words.PICTURE_HAS_SETTINGS))
    expect(status_line(page)).to_contain_text("seed 7")
    expect(page.get_by_label(words.PROMPT_LABEL)).not_to_have_value("a green tree")
    press_button(page, words.USE_SETTINGS)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("1.5")
    expect(page.get_by_label("Seed")).to_have_value("7")
    expect(status_line(page)).to_contain_text(words.SETTINGS_USED)
    expect(page.locator("#sizes")).to_contain_text("128 → 256 → 512")
    expect(offer).to_have_count(0)
    open_section(page, words.FINE_CONTROL)
    expect(page.get_by_label("Use the overview")).not_to_be_checked()


def test_unknown_and_invalid_settings_of_a_picture_are_named(running_app, open_page):
    page = open_page(running_app.url)
    drop_file(page, "odd.png", png_with_recipe(prompt="a green tree", colour="red", alpha1=99))
    expect(status_line(page)).to_contain_text(
        words.RESTORED_EXCEPT.format(strange=join_labels(["colour", "alpha1"]))
    )
    press_button(page, words.USE_SETTINGS)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("3")


def test_a_recipe_in_json_is_accepted_like_a_picture(running_app, open_page):
    page = open_page(running_app.url)
    drop_file(page, "recipe.json", json.dumps({"prompt": "a green tree", "alpha2": 2.5}).encode())
    press_button(page, words.USE_SETTINGS)
    expect(page.locator("#alpha2 input[type=number]")).to_have_value("2.5")


def test_a_file_dropped_on_the_viewer_is_accepted(running_app, open_page):
    page = open_page(running_app.url)
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([content], "tree.png", { type: "image/png" }));
            return transfer;
        }""",
        base64.b64encode(png_with_recipe(prompt="a green tree")).decode(),
    )
    page.locator("#viewer").dispatch_event("drop", {"dataTransfer": transfer})
    expect(status_line(page)).to_have_text(message_pattern(words.PICTURE_HAS_SETTINGS))


def test_a_good_file_after_a_bad_one_clears_the_error(running_app, open_page):
    page = open_page(running_app.url)
    drop_file(page, "torn.png", PNG)
    expect(page.get_by_role("alert")).to_have_text(unreadable("torn.png"))
    drop_file(page, "tree.png", png_with_recipe(prompt="a green tree"))
    expect(status_line(page)).to_have_text(message_pattern(words.PICTURE_HAS_SETTINGS))
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_file_is_accepted_while_a_setting_is_invalid(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "seed", -1)
    expect(page.get_by_role("alert")).to_contain_text("-1")
    drop_file(page, "recipe.json", json.dumps({"prompt": "a green tree", "seed": 7}).encode())
    press_button(page, words.USE_SETTINGS)
    expect(page.locator("#seed input")).to_have_value("7")
    expect(page.get_by_role("alert")).to_have_count(0)

"""Finished pictures on the page: the example, exports of a picture, comparison of two."""

import re
import threading

import pytest
from PIL import Image

from engine.recipe.recall import recall
from lab.publish.example import make_example
from tests.support.page_queries import (
    expect,
    expect_done,
    expect_runs_done,
    fill_prompt,
    finished_cards,
    message_pattern,
    open_save_menu,
    press_button,
    press_generate,
    set_number,
    status_line,
)
from tests.support.planning import small_recipe
from tests.support.running_app import serve_app
from ui.panels import exports
from ui.text import words
from ui.text.labels import join_labels

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_page_opens_with_a_finished_example(tmp_path, tiny_folder, open_page):
    make_example(
        tiny_folder, tmp_path / "example", small_recipe(prompt="a white cat", scales=(1, 1.5, 2), steps=4)
    )
    with serve_app(tmp_path / "runs", tiny_folder, example=tmp_path / "example") as app:
        page = open_page(app.url)
        expect(finished_cards(page)).to_have_count(3)
        expect(page.get_by_text(message_pattern(words.EXAMPLE_NOTE))).to_be_visible()
        expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a white cat")
        page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
        page.get_by_role("button", name=re.compile("Pause after this size, stage 1")).click()
        press_generate(page)
        expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
        expect(page.get_by_text(message_pattern(words.EXAMPLE_NOTE))).to_have_count(0)


def test_a_finished_picture_is_exported_as_link_captioned_picture_and_zoom_film(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    press_generate(page)
    expect_done(page)
    for button, save, end in (
        (words.ZOOM_FILM, words.SAVE_ZOOM_FILM, "_dive.webp"),
        (words.LABELLED_PICTURE, words.SAVE_LABELLED_PICTURE, "_labelled.png"),
    ):
        open_save_menu(page)
        press_button(page, button)
        expect(status_line(page)).to_contain_text(words.EXPORT_READY.format(label=save))
        open_save_menu(page)
        with page.expect_download() as download:
            page.get_by_role("link", name=save).click()
        assert download.value.suggested_filename.endswith(end)
        assert Image.open(download.value.path()).width >= 256
    assert recall(download.value.path()).recipe.prompt == "a green tree"
    open_save_menu(page)
    press_button(page, words.COPY_LINK)
    field = page.get_by_label(words.STAGES_PANEL["copy_by_hand"])
    copied = page.get_by_role("button", name=words.STAGES_PANEL["copied"])
    expect(field.or_(copied)).to_be_visible()


def test_any_two_stages_are_compared_in_words(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    set_number(page, "alpha1", 2)
    press_generate(page)
    expect_runs_done(page, 2)
    press_button(page, words.STAGES_PANEL["compare"])
    page.get_by_label(words.STAGES_PANEL["picture_a"]).select_option(index=1)
    page.get_by_label(words.STAGES_PANEL["picture_b"]).select_option(index=2)
    expect(page.get_by_text("A and B differ in")).to_contain_text("Layout freedom")
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_be_visible()


def test_any_two_kept_pictures_can_be_compared_after_a_reload(running_app, open_page):
    page = open_page(running_app.url)
    for runs, prompt in enumerate(("a green tree", "a blue boat"), 1):
        fill_prompt(page, prompt)
        set_number(page, "scale_stages", 1)
        press_generate(page)
        expect_runs_done(page, runs, stages=1)
    page.reload()
    expect(finished_cards(page)).to_have_count(1)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_be_visible()
    names = page.get_by_label(words.STAGES_PANEL["picture_a"]).locator("option")
    expect(names).to_have_count(2)
    assert {name.split(" · ")[1] for name in names.all_text_contents()} == {"a green tree", "a blue boat"}


def test_an_export_is_shown_with_its_own_run(running_app, open_page, monkeypatch, request):
    gate, caption_image = threading.Event(), exports.caption_image
    request.addfinalizer(gate.set)  # Otherwise the export of a failed test would never end.
    monkeypatch.setattr(exports, "caption_image", lambda *args: gate.wait() and caption_image(*args))
    page = open_page(running_app.url)
    for runs, prompt in enumerate(("a green tree", "a blue boat"), 1):
        fill_prompt(page, prompt)
        press_generate(page)
        expect_runs_done(page, runs)
    open_save_menu(page)
    press_button(page, words.LABELLED_PICTURE)
    expect(status_line(page)).to_contain_text(words.EXPORT_IN_PROGRESS)
    earlier = page.locator(".st-earlier-run .st-look")
    earlier.last.click()
    expect(page.locator("#viewer-description")).to_contain_text("a green tree")
    gate.set()
    open_save_menu(page)
    press_button(page, words.LABELLED_PICTURE)
    save = page.get_by_role("link", name=words.SAVE_LABELLED_PICTURE)
    expect(status_line(page)).to_contain_text(words.EXPORT_READY.format(label=words.SAVE_LABELLED_PICTURE))
    open_save_menu(page)
    expect(save).to_have_count(1)
    expect(save).to_have_attribute("download", re.compile("green-tree"))
    earlier.first.click()
    open_save_menu(page)
    expect(save).to_have_attribute("download", re.compile("blue-boat"))
    expect(save).to_have_count(1)


def test_a_link_says_which_settings_it_cannot_hold(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page, "红" * 800)
    set_number(page, "alpha1", 2)
    press_generate(page)
    expect_done(page)
    open_save_menu(page)
    expect(page.get_by_role("button", name=words.COPY_LINK)).to_be_visible()
    note = page.get_by_text(words.LINK_WITHOUT_SETTINGS.format(names=join_labels(["prompt"])))
    expect(note).to_be_visible()
    fill_prompt(page, "a blue boat")
    press_generate(page)
    expect_runs_done(page, 2)
    expect(note).to_have_count(0)

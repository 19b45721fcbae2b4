"""Tests of the layout: what is on the first screen, and that nothing moves while a run goes on."""

import re

import pytest

from tests.support.page_queries import (
    expect_done,
    fill_prompt,
    finished_cards,
    message_pattern,
    open_section,
    press_button,
    press_generate,
    set_number,
    status_line,
    stop_in_stage_two,
    wait_until_stored,
)
from ui.text import words

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SLIDERS = ("scale_stages", "alpha1", "alpha2", "alpha3", "sigma1", "sigma2", "stride")


def bottom(page, selector):
    """Return the y of the lower edge of an element in px."""
    box = page.locator(selector).first.bounding_box()
    return box["y"] + box["height"]


def places(page):
    """Return where viewer, strip and main button are."""
    return [page.locator(selector).bounding_box() for selector in ("#viewer", ".st-stages", "#go")]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1440, 900), (1920, 1080)])
def test_a_desktop_shows_picture_stages_and_tools_on_its_first_screen(running_app, open_page, width, height):
    page = open_page(running_app.url, viewport={"width": width, "height": height})
    assert page.locator("#viewer").bounding_box()["height"] >= 534
    assert bottom(page, ".st-toolbar") <= height
    assert bottom(page, ".st-stages") <= height
    assert bottom(page, "#inspector") <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_main_settings_stand_on_the_first_screen_of_a_large_laptop(running_app, open_page):
    page = open_page(running_app.url, viewport={"width": 1440, "height": 900})
    end = bottom(page, "#inspector")
    for name in (*SLIDERS, "shape", "seed", "looks"):
        assert bottom(page, f"#{name}") <= end, name


@pytest.mark.parametrize("width", [390, 768, 1024])
def test_a_narrow_window_shows_the_picture_on_its_first_screen_and_never_scrolls_sideways(
    running_app, open_page, width
):
    page = open_page(running_app.url, viewport={"width": width, "height": 844})
    assert bottom(page, "#viewer") <= 844
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_viewer_strip_and_button_stay_in_place_during_a_run_and_after_it(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    before = places(page)
    fill_prompt(page, "a blue boat")
    running_app.gate.close()
    press_generate(page)
    expect(page.get_by_role("button", name=words.STOP, exact=True)).to_be_visible()
    assert places(page) == before
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    assert places(page) == before
    stop_in_stage_two(page, running_app.gate)
    assert places(page) == before


def test_a_frame_as_tall_as_its_content_does_not_grow(running_app, open_page):
    page = open_page(running_app.url)
    page.set_content(
        f'<iframe src="{running_app.url}" style="width: 1280px; height: 700px; border: 0"></iframe>'
    )
    inside = page.frame_locator("iframe")
    expect(inside.locator("#viewer")).to_be_visible()
    heights = []
    for _ in range(4):
        height = inside.locator("body").evaluate("body => document.documentElement.scrollHeight")
        heights.append(height)
        page.locator("iframe").evaluate("(frame, height) => { frame.style.height = height + 'px' }", height)
    assert heights[-1] == heights[1] < 1600


def test_the_help_of_a_slider_is_read_with_it_and_shown_while_it_has_the_focus(running_app, open_page):
    page = open_page(running_app.url)
    track = page.locator("#alpha1 input[type=range]")
    help_text = page.locator("#alpha1 .info-text").text_content()
    expect(track).to_have_accessible_description(help_text)
    expect(page.locator("#alpha1 input[type=number]")).to_have_accessible_description(help_text)
    track.focus()
    expect(page.locator(".slider-help")).to_have_text(help_text)


def test_tab_goes_from_slider_to_slider_and_enter_to_its_number_and_back(running_app, open_page):
    page = open_page(running_app.url)
    track = page.locator("#alpha1 input[type=range]")
    track.focus()
    page.keyboard.press("Enter")
    number = page.locator("#alpha1 input[type=number]")
    expect(number).to_be_focused()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(track).to_be_focused()
    expect(track).to_have_value("2")
    page.keyboard.press("Tab")
    expect(page.locator("#alpha2 input[type=range]")).to_be_focused()


def test_enter_chooses_from_a_list_between_sliders(running_app, open_page):
    page = open_page(running_app.url)
    open_section(page, words.FINE_CONTROL)
    sampler = page.locator("#scheduler input")
    before = sampler.input_value()
    sampler.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(sampler).not_to_have_value(before)


def test_reset_sets_the_default_of_the_model(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "alpha1", 1)
    page.locator("#alpha1 .reset-button").click()
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("3")
    expect(page.locator("#looks input[value=balanced]")).to_be_checked()


def test_a_look_sets_its_sliders_names_the_change_and_can_be_undone(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "alpha1", 1)
    expect(page.locator("#looks input:checked")).to_have_count(0)
    page.get_by_label(words.LOOK_TITLES["calm"]).check()
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("1.2")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("3")
    expect(page.locator(".st-note-nudge")).to_contain_text("α₁ 1 → 3")
    press_button(page, words.UNDO)
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("1")
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("0.8")


def test_a_quality_preset_sets_its_settings_names_the_change_and_can_be_undone(running_app, open_page):
    page = open_page(running_app.url)
    checked = page.locator("#quality input:checked")
    expect(checked).to_have_value("fine")
    page.locator("#quality input[value=draft]").check()
    expect(page.locator("#restart input[type=number]")).to_have_value("0.5")
    expect(page.locator(".st-note-nudge")).to_contain_text(f"{words.QUALITY_TITLES['draft']}: ")
    press_button(page, words.UNDO)
    expect(checked).to_have_value("fine")
    set_number(page, "restart", 0.8)
    expect(checked).to_have_count(0)


def test_the_theme_can_be_switched_and_is_remembered(running_app, open_page):
    page = open_page(running_app.url)
    switch = page.get_by_role("button", name=words.DARK_THEME)
    was_dark = page.evaluate("document.body.classList.contains('dark')")
    switch.click()
    page.reload()
    expect(page.locator("body.dark")).to_have_count(0 if was_dark else 1)


def test_the_help_says_what_the_app_does_and_closes_with_escape(running_app, open_page):
    page = open_page(running_app.url)
    page.locator(f"summary[aria-label='{words.HELP_BUTTON}']").click()
    expect(page.get_by_text(words.HELP[0])).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text(words.HELP[0])).to_be_hidden()


def test_the_save_menu_closes_with_escape_and_gives_the_focus_back(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    button = page.get_by_role("button", name=words.STAGES_PANEL["save"])
    button.click()
    expect(page.get_by_role("button", name=words.COPY_LINK)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=words.COPY_LINK)).to_be_hidden()
    expect(button).to_be_focused()


def test_stages_and_shape_replace_a_custom_size_and_custom_scales(running_app, open_page):
    page = open_page(f"{running_app.url}?width=240&height=200&scales=1,1.75")
    sizes = page.locator("#sizes")
    expect(sizes).to_contain_text("240 × 200")
    wait_until_stored(page, lambda: set_number(page, "alpha1", 2))
    expect(sizes).to_contain_text("240 × 200")
    page.get_by_label("1:1", exact=True).check()
    expect(sizes).to_contain_text("→ 224 px")
    set_number(page, "scale_stages", 1)
    expect(sizes).to_have_text("128 px")
    open_section(page, words.FINE_CONTROL)
    expect(page.get_by_label(words.OWN_SCALES)).to_have_value("")


def test_a_file_that_is_dragged_over_the_page_is_invited(running_app, open_page):
    page = open_page(running_app.url)
    invitation = page.locator(".st-drop")
    expect(invitation).to_be_hidden()
    drag = """name => {
      const data = new DataTransfer();
      data.items.add(new File(["x"], "a.png"));
      document.body.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drag, "dragover")
    expect(invitation).to_be_visible()
    page.evaluate(drag, "dragleave")
    expect(invitation).to_be_hidden()


def test_the_status_line_says_that_generate_makes_another_picture(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    set_number(page, "alpha1", 2)
    set_number(page, "alpha1", 3)
    expect(status_line(page)).to_have_text(message_pattern(words.ALREADY_SHOWN))
    page.get_by_label(words.KEEP_SEED).check()
    set_number(page, "alpha1", 2)
    set_number(page, "alpha1", 3)
    expect(status_line(page)).to_have_text(message_pattern(words.ALL_STAGES_CACHED))


def test_a_notification_is_shown_at_the_end_of_a_run_if_it_was_asked_for(running_app, open_page):
    page = open_page(running_app.url, own_context=True, permissions=["notifications"])
    page.evaluate(
        """() => {
          window.shown = [];
          const permission = () => "granted";
          window.Notification = class {
            static requestPermission = async () => permission();
            constructor(title, { body }) { window.shown.push([title, body]); }
          };
          document.hasFocus = () => false;
        }"""
    )
    expect(page.get_by_role("button", name=words.STAGES_PANEL["notify"])).to_have_count(0)
    press_generate(page)
    expect_done(page)
    assert page.evaluate("window.shown") == []
    fill_prompt(page, "a blue boat")
    running_app.gate.close()
    press_generate(page)
    switch = page.get_by_role("button", name=words.STAGES_PANEL["notify"])
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    running_app.gate.open()
    expect_done(page)
    ((title, body),) = page.evaluate("window.shown")
    assert title == words.TITLE
    assert re.search(r"512 × 512|Done", body)


def test_a_browser_that_refuses_notifications_is_told_so(running_app, open_page):
    page = open_page(running_app.url)
    page.evaluate("Notification.requestPermission = async () => 'denied'")
    running_app.gate.close()
    press_generate(page)
    switch = page.get_by_role("button", name=words.STAGES_PANEL["notify"])
    switch.click()
    running_app.gate.allow(3)
    expect(status_line(page)).to_contain_text("step 3")
    expect(status_line(page)).to_contain_text(words.STAGES_PANEL["notify_refused"])
    expect(switch).to_have_attribute("aria-pressed", "false")
    running_app.gate.open()
    expect_done(page)


def test_the_picture_is_dimmed_until_a_new_run_has_something_to_show(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    fill_prompt(page, "a blue boat")
    running_app.gate.close()
    press_generate(page)
    tag = page.locator("#viewer .st-tag", has_text=re.escape(words.STAGES_PANEL["starting"]))
    expect(page.locator("#viewer")).to_contain_text(words.STAGES_PANEL["starting"])
    running_app.gate.open()
    expect_done(page)
    expect(tag).to_have_count(0)


def test_the_focus_goes_from_generate_to_stop_and_back(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    page.locator("#generate").press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    running_app.gate.open()
    expect_done(page)
    expect(page.locator("#generate")).to_be_focused()


def test_the_bar_has_a_segment_for_each_stage_while_a_run_goes_on(running_app, open_page):
    page = open_page(running_app.url)
    segments = page.locator(".st-segment")
    expect(segments).to_have_count(0)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    expect(segments).to_have_count(2)
    widths = [segment.bounding_box()["width"] for segment in segments.all()]
    assert widths[1] > 2 * widths[0]
    expect(segments.first.locator(".st-bar")).to_have_attribute("style", re.compile("100%"))
    running_app.gate.open()
    expect_done(page)
    expect(segments).to_have_count(0)

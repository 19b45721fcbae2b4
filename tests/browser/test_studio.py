"""Runs on the page in a real browser: started, watched, stopped, continued, found again."""

import re

import pytest

from engine.recipe.recall import recall
from engine.runs import store
from tests.support.page_queries import (
    continue_button,
    delete_run,
    expect,
    expect_done,
    expect_runs_done,
    finished_cards,
    message_pattern,
    press_button,
    press_continue,
    press_generate,
    set_number,
    status_line,
    stop_in_stage_two,
    visible_rectangle,
    wait_until_stored,
)
from tests.support.stored_stages import overwrite
from ui.text import words
from ui.text.labels import join_labels

pytestmark = pytest.mark.browser


def test_generate_makes_every_stage_on_a_new_page(running_app, open_page):
    page = open_page(running_app.url)
    expect(status_line(page)).to_contain_text("128 → 256")
    press_generate(page)
    expect_done(page)
    (run,) = running_app.runs()
    assert len(store.finished_stages(run)) == 2
    page.get_by_role("link", name=re.compile("Download stage 2")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download stage 2")).click()
    assert (
        download.value.path().read_bytes()
        == (store.finished_stages(run)[2][1] / store.PICTURE_FILE).read_bytes()
    )
    assert re.fullmatch(r"[a-z-]+_s0_256_a3-1-1\.png", download.value.suggested_filename)


def test_stop_keeps_finished_stages_and_continue_makes_the_rest(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    stop_in_stage_two(page, running_app.gate)
    press_continue(page)
    expect_done(page)


def test_a_stage_that_was_damaged_is_made_again_by_continue(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    stop_in_stage_two(page, running_app.gate)
    (run,) = running_app.runs()
    folder = store.find_stage(run, 1)[1]
    overwrite(folder / store.LATENTS_FILE, bytes(100))
    press_continue(page)
    expect_done(page)
    (continued,) = [each for each in running_app.runs() if len(store.finished_stages(each)) == 2]
    assert all(store.is_intact(stage) for _, stage in store.finished_stages(continued).values())
    assert [path.name.startswith(f".damaged-{folder.name}-") for path in run.glob(".damaged*")] == [True]


def test_a_run_that_was_stopped_in_its_first_stage_is_started_again_by_generate(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(2)
    page.get_by_role("button", name=words.STOP, exact=True).click()
    expect(status_line(page)).to_have_text(message_pattern(words.STOPPING))
    running_app.gate.open()
    expect(status_line(page)).to_contain_text(words.NO_STAGE_KEPT)
    press_generate(page)
    expect_done(page)


def test_a_stage_that_a_change_does_not_affect_is_reused_and_the_page_says_so(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    set_number(page, "alpha1", 2)
    expect(status_line(page)).to_contain_text(words.STAGE_ONE_CACHED.strip())
    expect(page.get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_contain_text("α₁ 3 → 2")
    press_generate(page)
    expect_runs_done(page, 2)
    first, second = (
        store.finished_stages(run) for run in sorted(running_app.runs(), key=lambda run: run.stat().st_mtime)
    )
    assert first[1][0] == second[1][0]
    assert first[2][0] != second[2][0]


def test_generating_without_a_change_draws_and_names_a_new_seed(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    running_app.gate.close()
    press_generate(page)
    seed = page.locator("#seed input")
    expect(seed).not_to_have_value("0")
    expect(page.get_by_text(words.NEW_SEED_DRAWN.format(seed=seed.input_value()))).to_be_visible()
    running_app.gate.open()
    expect_runs_done(page, 2)


def test_a_kept_seed_stays_also_after_a_reload(running_app, open_page):
    page = open_page(running_app.url)
    keep = page.get_by_label(words.KEEP_SEED)
    wait_until_stored(page, keep.check)
    press_generate(page)
    expect_done(page)
    page.reload()
    expect(keep).to_be_checked()
    press_generate(page)
    expect(status_line(page)).to_contain_text(words.SAME_PICTURE)
    expect(page.locator("#seed input")).to_have_value("0")
    assert len(running_app.runs()) == 1


def test_a_stopped_run_continues_with_changed_settings_and_the_page_says_so(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    stop_in_stage_two(page, running_app.gate)
    set_number(page, "alpha1", 2)
    expect(continue_button(page)).to_contain_text("128 px")
    expect(status_line(page)).to_contain_text(message_pattern(words.CONTINUES_FROM))
    press_continue(page)
    expect_done(page)
    newest = max(running_app.runs(), key=lambda run: run.stat().st_mtime)
    assert recall(store.finished_stages(newest)[2][1] / store.PICTURE_FILE).recipe.alpha1 == 2


@pytest.mark.parametrize(("label", "text"), [(words.PROMPT_LABEL, "a blue boat"), ("Seed", "7")])
def test_a_stopped_run_is_not_continued_as_another_picture(running_app, open_page, label, text):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    stop_in_stage_two(page, running_app.gate)
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")
    expect(page.get_by_role("button", name=words.GENERATE, exact=True)).to_be_visible()
    own = status_line(page).get_by_role("button", name=message_pattern(words.CONTINUE_RUN))
    own.click()
    expect_done(page)
    expect(page.locator("#viewer-description")).not_to_contain_text("boat")


def pause_one_of_three(page, stage):
    """Let a run of three stages pause after one of them."""
    set_number(page, "scale_stages", 3)
    page.get_by_role("button", name=re.compile(f"Pause after this size, stage {stage}")).click()
    press_generate(page)
    expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))


def test_a_stopped_run_can_be_started_over_with_changed_settings(running_app, open_page):
    page = open_page(running_app.url)
    pause_one_of_three(page, 2)
    set_number(page, "alpha1", 2)
    press_button(page, words.START_OVER)
    expect_runs_done(page, 2, stages=3)
    newest = max(running_app.runs(), key=lambda run: run.stat().st_mtime)
    stages = store.finished_stages(newest)
    assert [recall(stages[number][1] / store.PICTURE_FILE).recipe.alpha1 for number in (2, 3)] == [2, 2]


def test_stop_here_pauses_after_a_stage(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=re.compile("Pause after this size, stage 1")).click()
    expect(status_line(page)).to_contain_text("Stage 1 to run, then it pauses")
    press_generate(page)
    expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
    expect(finished_cards(page)).to_have_count(1)
    press_continue(page)
    expect_done(page)


def test_stop_here_stays_set_while_another_run_is_shown(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    set_number(page, "scale_stages", 3)
    running_app.gate.close()
    press_generate(page)
    expect(finished_cards(page)).to_have_count(0)
    stop = page.get_by_role("button", name=re.compile("Pause after this size, stage 1"))
    stop.click()
    expect(stop).to_have_attribute("aria-pressed", "true")
    page.locator(".st-earlier-run .st-look").last.click()
    expect(finished_cards(page)).to_have_count(2)
    set_number(page, "scale_stages", 2)
    expect(page.locator("#sizes")).not_to_contain_text("512")
    running_app.gate.open()
    expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
    newest = max(running_app.runs(), key=lambda run: run.stat().st_mtime)
    assert len(store.finished_stages(newest)) == 1


def test_continue_pauses_after_the_chosen_stage(running_app, open_page):
    page = open_page(running_app.url)
    pause_one_of_three(page, 1)
    page.get_by_role("button", name=re.compile("Pause after this size, stage 2")).click()
    expect(status_line(page)).to_contain_text("Stage 2 to run, then it pauses")
    press_continue(page)
    expect(finished_cards(page)).to_have_count(2)
    expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
    expect(finished_cards(page)).to_have_count(2)


def test_a_stage_is_enlarged_with_changed_settings(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=re.compile("Pause after this size, stage 1")).click()
    press_generate(page)
    expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    page.get_by_role("button", name=re.compile("Enlarge further, stage 1")).click()
    expect(finished_cards(page)).to_have_count(2)
    newest = max(running_app.runs(), key=lambda run: run.stat().st_mtime)
    assert len(store.finished_stages(newest)) == 2


def test_a_new_stage_keeps_the_zoom_and_place_of_the_viewer(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    page.locator("#viewer").click()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    before = visible_rectangle(page)
    assert before[2] < 0.9
    running_app.gate.open()
    expect_done(page)
    assert visible_rectangle(page) == pytest.approx(before, abs=1e-3)


def test_cards_of_finished_stages_are_never_rendered_again(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    finished_cards(page).first.evaluate("node => { node.closest('li').marked = true }")
    running_app.gate.open()
    expect_done(page)
    assert finished_cards(page).first.evaluate("node => node.closest('li').marked")


def test_a_reload_keeps_settings_and_the_active_run(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    set_number(page, "alpha2", 2.5)
    expect(page.locator("#curves svg")).to_be_visible()
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    page.reload()
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#alpha2 input[type=number]")).to_have_value("2.5")
    running_app.gate.open()
    expect_done(page)


@pytest.mark.slow
def test_an_earlier_run_can_be_shown_used_and_forgotten(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    press_generate(page)
    expect_done(page)
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    press_generate(page)
    expect_runs_done(page, 2)
    page.locator(".st-earlier-run .st-look").last.click()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a blue boat")
    page.locator(".st-earlier-run").last.get_by_role("button", name=words.STAGES_PANEL["use"]).click()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    delete_run(page)
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    assert len(running_app.runs()) == 1


def test_a_complaint_changes_a_setting_and_starts_no_run(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    press_button(page, words.COMPLAINT_LABELS["grainy"])
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("1.2")
    expect(page.locator(".st-note-nudge")).to_contain_text("σ₁ 0.8 → 1.2")
    set_number(page, "alpha1", 2)
    expect(page.locator(".st-note-since")).to_be_visible()
    press_button(page, words.UNDO)
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("0.8")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    assert len(running_app.runs()) == 1


def test_deleting_a_run_asks_once_more_and_can_be_left_alone(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    press_button(page, words.STAGES_PANEL["forget"])
    expect(page.get_by_role("button", name=words.STAGES_PANEL["forget_sure"])).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=words.STAGES_PANEL["forget"], exact=True)).to_be_visible()
    assert len(running_app.runs()) == 1


def test_a_change_during_a_run_is_named_as_one_for_the_next_picture(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    set_number(page, "alpha1", 2)
    expect(page.get_by_text(message_pattern(words.CHANGED_FOR_NEXT_PICTURE))).to_contain_text("α₁ 3 → 2")
    running_app.gate.open()
    expect_done(page)
    expect(page.get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_be_visible()


def test_generate_cannot_be_pressed_while_settings_are_refused(running_app, open_page):
    page = open_page(running_app.url)
    generate = page.get_by_role("button", name=words.GENERATE, exact=True)
    set_number(page, "seed", -1)
    expect(generate).to_be_disabled()
    set_number(page, "seed", 1)
    expect(generate).to_be_enabled()


def test_a_number_beyond_a_sliders_range_is_limited_by_enter(running_app, open_page):
    page = open_page(running_app.url)
    number = page.locator("#scale_stages input[type=number]")
    number.fill("9")
    number.press("Enter")
    expect(number).to_have_value("4")


def try_a_complaint(page):
    """Make a picture, complain about it, and try the changed settings."""
    press_generate(page)
    expect_done(page)
    press_button(page, words.COMPLAINT_LABELS["grainy"])
    page.get_by_role("button", name=message_pattern(words.TRY_CHANGES)).click()
    expect(page.locator("#viewer")).to_be_in_viewport(ratio=0.99)
    expect_runs_done(page, 2)


def test_tried_settings_are_compared_with_those_before_and_can_be_kept(running_app, open_page):
    page = open_page(running_app.url)
    try_a_complaint(page)
    divider = page.get_by_role("slider", name=words.STAGES_PANEL["divider"])
    expect(divider).to_be_visible()
    expect(page.locator(".st-note-nudge")).to_contain_text("σ₁ 0.8 → 1.2")
    expect(page.locator(".st-differ")).to_contain_text("(A: 0.8, B: 1.2)")
    press_button(page, words.KEEP)
    expect(divider).to_have_count(0)
    expect(page.locator(".st-note-nudge")).to_have_count(0)
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("1.2")


def test_tried_settings_can_be_undone_which_shows_the_picture_before(running_app, open_page):
    page = open_page(running_app.url)
    try_a_complaint(page)
    press_button(page, words.UNDO)
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("0.8")
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_have_count(0)
    expect(page.locator(".st-earlier-run .st-look").last).to_have_attribute("aria-pressed", "true")


def test_an_invalid_size_offers_one_that_fits(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()
    for name, side in (("width", 1000), ("height", 200)):
        page.locator(f"#{name} input").fill(str(side))
        page.locator(f"#{name} input").press("Tab")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("4:1")
    status_line(page).get_by_role("button", name=re.compile("^Use")).click()
    expect(page.locator("#width input")).to_have_value("800")
    expect(page.locator(".st-alarm")).to_have_text("")


def test_a_link_fills_in_settings_and_names_those_it_cannot(running_app, open_page):
    page = open_page(f"{running_app.url}?prompt=a+white+cat&alpha1=2.5&alpha2=99&foo=1")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a white cat")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2.5")
    expect(status_line(page)).to_contain_text(join_labels(["alpha2", "foo"]))
    assert running_app.runs() == []

"""The page in a real browser: made, watched, stopped, gone on with, found again."""

import re

import pytest

from engine.runs import store
from tests.support.look import (
    expect,
    finished_cards,
    generate,
    is_another,
    is_done,
    line,
    move,
    pattern,
    press,
    rectangle,
    stop_after_one,
)
from ui.text import words
from ui.text.labels import join_labels

pytestmark = pytest.mark.browser


def test_a_newcomer_presses_generate_and_gets_every_stage(served, visit):
    page = visit(served.url)
    expect(line(page)).to_contain_text("128 → 256")
    generate(page)
    is_done(page)
    (run,) = served.runs()
    assert len(store.finished_stages(run)) == 2
    page.get_by_role("link", name=re.compile("Download stage 2")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download stage 2")).click()
    assert (
        download.value.path().read_bytes()
        == (store.finished_stages(run)[2][1] / store.PICTURE_FILE).read_bytes()
    )
    assert re.fullmatch(r"[a-z-]+_s0_256_a3-1-1\.png", download.value.suggested_filename)


def test_stop_keeps_what_is_finished_and_continue_goes_on(served, visit):
    page = visit(served.url)
    served.gate.close()
    generate(page)
    stop_after_one(page, served.gate)
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    is_done(page)


def test_a_run_that_was_stopped_in_its_first_stage_goes_on_too(served, visit):
    page = visit(served.url)
    served.gate.close()
    generate(page)
    served.gate.pass_(2)
    page.get_by_role("button", name=words.STOP, exact=True).click()
    expect(line(page)).to_have_text(pattern(words.STOPPING))
    served.gate.open()
    expect(line(page)).to_contain_text(words.NO_STAGE_KEPT)
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    is_done(page)


def test_what_still_holds_is_kept_and_said(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    move(page, "alpha1", 2)
    expect(line(page)).to_contain_text(words.STAGE_ONE_CACHED.strip())
    expect(page.get_by_text(pattern(words.CHANGED_SINCE_PICTURE))).to_contain_text("α₁ 3 → 2")
    generate(page)
    is_another(page, 2)
    first, second = (
        store.finished_stages(run) for run in sorted(served.runs(), key=lambda run: run.stat().st_mtime)
    )
    assert first[1][0] == second[1][0]
    assert first[2][0] != second[2][0]


def test_the_same_picture_again_has_a_new_seed(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    press(page, words.GENERATE_ANOTHER)
    expect(page.get_by_label("Seed")).not_to_have_value("0")
    is_another(page, 2)


def test_stop_here_pauses_after_a_stage(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=re.compile("Stop here, after stage 1")).click()
    expect(line(page)).to_contain_text("Stage 1 to run, then it pauses")
    generate(page)
    expect(line(page)).to_have_text(pattern(words.PAUSED_AFTER_STAGE))
    expect(finished_cards(page)).to_have_count(1)
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    is_done(page)


def test_stop_here_holds_while_another_run_is_looked_at(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    move(page, "scale_stages", 3)
    served.gate.close()
    generate(page)
    expect(finished_cards(page)).to_have_count(0)
    stop = page.get_by_role("button", name=re.compile("Stop here, after stage 1"))
    stop.click()
    expect(stop).to_have_attribute("aria-pressed", "true")
    page.locator(".st-earlier-run .st-look").last.click()
    expect(finished_cards(page)).to_have_count(2)
    move(page, "scale_stages", 2)
    expect(page.locator("#sizes")).not_to_contain_text("512")
    served.gate.open()
    expect(line(page)).to_have_text(pattern(words.PAUSED_AFTER_STAGE))
    newest = max(served.runs(), key=lambda run: run.stat().st_mtime)
    assert len(store.finished_stages(newest)) == 1


def test_continue_pauses_where_it_was_asked_to(served, visit):
    page = visit(served.url)
    move(page, "scale_stages", 3)
    page.get_by_role("button", name=re.compile("Stop here, after stage 1")).click()
    generate(page)
    expect(line(page)).to_have_text(pattern(words.PAUSED_AFTER_STAGE))
    page.get_by_role("button", name=re.compile("Stop here, after stage 2")).click()
    expect(line(page)).to_contain_text("Stage 2 to run, then it pauses")
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    expect(finished_cards(page)).to_have_count(2)
    expect(line(page)).to_have_text(pattern(words.PAUSED_AFTER_STAGE))
    expect(finished_cards(page)).to_have_count(2)


def test_a_stage_is_kept_under_changed_settings(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=re.compile("Stop here, after stage 1")).click()
    generate(page)
    expect(line(page)).to_have_text(pattern(words.PAUSED_AFTER_STAGE))
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    page.get_by_role("button", name=re.compile("Grow from here, stage 1")).click()
    expect(finished_cards(page)).to_have_count(2)
    newest = max(served.runs(), key=lambda run: run.stat().st_mtime)
    assert len(store.finished_stages(newest)) == 2


def test_a_stage_arrives_under_the_same_eye(served, visit):
    page = visit(served.url)
    served.gate.close()
    generate(page)
    served.gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    page.locator("#viewer").click()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    before = rectangle(page)
    assert before[2] < 0.9
    served.gate.open()
    is_done(page)
    assert rectangle(page) == pytest.approx(before, abs=1e-3)


def test_finished_cards_are_never_drawn_again(served, visit):
    page = visit(served.url)
    served.gate.close()
    generate(page)
    served.gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    finished_cards(page).first.evaluate("node => { node.closest('li').marked = true }")
    served.gate.open()
    is_done(page)
    assert finished_cards(page).first.evaluate("node => node.closest('li').marked")


def test_a_reload_finds_settings_and_the_run_that_goes_on(served, visit):
    page = visit(served.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    move(page, "alpha2", 2.5)
    expect(page.locator("#curves svg")).to_be_visible()
    served.gate.close()
    generate(page)
    served.gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    page.reload()
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#alpha2 input[type=number]")).to_have_value("2.5")
    served.gate.open()
    is_done(page)


@pytest.mark.slow
def test_an_earlier_run_is_shown_used_and_forgotten(served, visit):
    page = visit(served.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    generate(page)
    is_done(page)
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    generate(page)
    is_another(page, 2)
    page.locator(".st-earlier-run .st-look").last.click()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a blue boat")
    page.locator(".st-earlier-run").last.get_by_role("button", name=words.STAGES_PANEL["use"]).click()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    page.locator(".st-earlier-run").last.get_by_role("button", name=words.STAGES_PANEL["forget"]).click()
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    assert len(served.runs()) == 1


def test_a_complaint_nudges_and_waits(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    press(page, words.COMPLAINT_LABELS["grainy"])
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("1.2")
    expect(page.locator(".st-note-nudge")).to_contain_text("σ₁ 0.8 → 1.2")
    move(page, "alpha1", 2)
    expect(page.locator(".st-note-since")).to_be_visible()
    press(page, words.UNDO)
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("0.8")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    assert len(served.runs()) == 1


def test_a_refusal_offers_what_would_fit(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()
    for name, side in (("width", 1000), ("height", 200)):
        page.locator(f"#{name} input").fill(str(side))
        page.locator(f"#{name} input").press("Tab")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("4:1")
    line(page).get_by_role("button", name=re.compile("^Use")).click()
    expect(page.locator("#width input")).to_have_value("800")
    expect(page.locator(".st-alarm")).to_have_text("")


def test_a_link_fills_the_page_and_names_what_it_cannot(served, visit):
    page = visit(f"{served.url}?prompt=a+white+cat&alpha1=2.5&alpha2=99&foo=1")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a white cat")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2.5")
    expect(line(page)).to_contain_text(join_labels(["alpha2", "foo"]))
    assert served.runs() == []

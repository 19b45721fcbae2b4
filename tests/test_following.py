"""A picture to follow on the page: dropped, seen as a map, drawn along, kept."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from engine import errors, generate, store
from engine.control import CONTROL_SETTINGS, KINDS
from engine.errors import short
from engine.recall import recall
from tests.dropping import drop, encoded
from tests.eyes import (
    expect,
    fill_prompt,
    finished_cards,
    is_another,
    is_done,
    line,
    move,
    pattern,
    press,
)
from tests.eyes import generate as press_generate
from tests.toys import done, small
from ui import words

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("offered")]

LABELS = {name: setting.label for name, setting in CONTROL_SETTINGS.items()}


@pytest.fixture
def drawing():
    """A PNG of 288 x 192 px: a clear circle, and a square that is hard to see."""
    picture = Image.new("RGB", (288, 192), (120, 120, 120))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((30, 30, 130, 130), fill=(230, 230, 230))
    pen.rectangle((160, 40, 260, 140), fill=(132, 132, 132))
    return encoded(picture, "PNG")


def follow(page):
    """Chooses it in the note that follows a drop."""
    press(page.locator(".st"), words.FOLLOW_IT)


def map_(page):
    return page.get_by_role("img", name=words.MAP.partition("{")[0])


def source(page):
    return page.locator("#map img.whole").get_attribute("src")


def is_followed(page):
    expect(map_(page)).to_be_visible()
    expect(page.get_by_label(words.AS_PICTURE)).to_be_checked()
    expect(page.locator("#follow_scale")).to_be_visible()


def is_followed_no_more(page):
    expect(map_(page)).to_have_count(0)
    expect(page.locator("#map")).to_have_text(words.FOLLOW_HELP)
    expect(page.locator("#follow_scale")).to_have_count(0)
    expect(page.locator("#unfollow")).to_have_count(0)
    expect(page.get_by_label(words.AS_PICTURE)).to_have_count(0)
    expect(page.get_by_label("1:1", exact=True)).to_be_checked()


def records(served):
    """The recipes of all finished last stages."""
    for run in served.runs():
        stages = store.stages(run)
        if 2 in stages:
            yield run, recall(stages[2][1] / store.PICTURE).recipe


def test_a_dropped_picture_is_followed_and_no_longer_started_from(served, visit, drawing):
    page = visit(served.url)
    fill_prompt(page, "a red house")
    drop(page, "drawing.png", drawing)
    expect(page.get_by_role("img", name=words.START_PICTURE)).to_be_visible()
    follow(page)
    is_followed(page)
    expect(page.get_by_role("img", name=words.START_PICTURE)).to_have_count(0)
    expect(page.locator("#sizes")).to_contain_text("160 × 104 → 312 × 208")
    expect(page.locator("#map")).to_contain_text("312 × 208 px")
    expect(page.locator("#aside")).to_have_text(words.FOLLOWS_ONLY.format(title="Tiny", kind="edges"))
    expect(page.get_by_label(words.ASK)).to_have_value("a red house")
    press(page, words.UNDO)
    expect(page.get_by_role("img", name=words.START_PICTURE)).to_be_visible()
    expect(map_(page)).to_have_count(0)
    press(page.locator("#start"), words.FOLLOW_IT)
    is_followed(page)
    expect(page.get_by_role("img", name=words.START_PICTURE)).to_have_count(0)


def test_knobs_change_the_map_at_once_and_stages_show_it_at_their_sizes(served, visit, drawing):
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    circle = source(page)
    move(page, "follow_low", 4)
    move(page, "follow_high", 8)
    expect(page.locator("#map img.whole")).not_to_have_attribute("src", circle)
    both = source(page)
    move(page, "follow_scale", 0.5)
    expect(line(page)).to_contain_text("312 × 208")
    assert source(page) == both
    page.get_by_label("160 × 104", exact=True).check()
    expect(page.locator("#map")).to_contain_text("160 × 104 px")
    expect(page.locator("#map img.whole")).to_have_attribute("width", "160")
    expect(page.locator("#map img.whole")).to_be_hidden()
    page.get_by_label(words.MAP_CLOSE).check()
    expect(page.locator("#map img.whole")).to_be_visible()
    expect(page.locator("#map img.fitting")).to_be_hidden()
    move(page, "follow_low", 20)
    expect(page.get_by_role("alert")).to_have_text(errors.CONTROL_EDGES.format(high=8, low=20))


def test_a_run_follows_it_is_stopped_and_gone_on_with(served, visit, drawing):
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    move(page, "follow_scale", 0.7)
    served.gate.close()
    press_generate(page)
    stop = page.get_by_role("button", name=words.STOP, exact=True)
    stop.wait_for()
    served.gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    stop.click()
    expect(line(page)).to_have_text(pattern(words.STOPPING))
    served.gate.open()
    expect(line(page)).to_contain_text(words.KEPT_HERE_ONE)
    page.reload()
    is_followed(page)
    expect(page.locator("#follow_scale input[type=number]")).to_have_value("0.7")
    line(page).get_by_role("button", name=pattern(words.CONTINUE_FOR)).click()
    is_another(page, 2)
    ((run, recipe),) = records(served)
    (control,) = recipe.controls
    assert (control.kind, control.scale) == ("canny", 0.7)
    with Image.open(store.upload(run, control.image)) as kept:
        assert kept.size == (288, 192)
    expect(page.get_by_text(words.LINK_WITHOUT_FOLLOWED)).to_be_visible()
    move(page, "follow_scale", 0.4)
    expect(page.get_by_text(pattern(words.SINCE))).to_contain_text(f"{LABELS['scale']} 0.7 → 0.4")


def test_it_changes_what_is_drawn_and_is_told_when_pictures_are_compared(served, visit, drawing):
    page = visit(served.url)
    press_generate(page)
    is_done(page)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    page.get_by_label("1:1", exact=True).check()
    press_generate(page)
    is_another(page, 2)
    plain, followed = sorted(records(served), key=lambda each: len(each[1].controls))
    made = [store.read(store.find(run, 1)[1]).latents for run, _ in (plain, followed)]
    assert (made[0] != made[1]).any()
    press(page, words.STAGES["compare"])
    page.get_by_label(words.STAGES["picture_a"]).select_option(index=0)
    expect(page.locator(".st-differ")).to_contain_text(KINDS["canny"].title)


def test_one_of_ours_offers_three_things_and_its_control_is_asked_for_again(
    served, visit, model, drawing, tmp_path
):
    (tmp_path / "drawing.png").write_bytes(drawing)
    recipe = small(controls=[{"kind": "canny", "image": str(tmp_path / "drawing.png"), "scale": 0.6}])
    made = done(generate(recipe, model, out=tmp_path / "elsewhere", until=1))[0].image
    page = visit(served.url)
    drop(page, "ours.png", Path(made).read_bytes())
    for action in (words.USE_SETTINGS, words.ENLARGE, words.FOLLOW_IT):
        expect(page.locator(".st").get_by_role("button", name=action, exact=True)).to_be_visible()
    press(page, words.USE_SETTINGS)
    expect(page.get_by_role("alert")).to_contain_text(errors.CONTROL_GONE)
    expect(page.locator("#map")).to_have_text(words.NO_PICTURE_TO_FOLLOW)
    press_generate(page)
    assert served.runs() == []
    press(page.locator(".st"), words.TAKE_AWAY)
    is_followed_no_more(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    drop(page, "ours.png", Path(made).read_bytes())
    follow(page)
    is_followed(page)
    press(page, words.UNDO)
    is_followed_no_more(page)


def test_it_is_taken_away_and_a_file_that_cannot_be_read_leaves_it_as_it_is(served, visit, drawing):
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    drop(page, "torn.png", drawing[:200])
    expect(page.get_by_role("alert")).to_have_text(errors.PICTURE_UNREADABLE.format(name=short("torn.png")))
    is_followed(page)
    press(page.locator("#follow"), words.TAKE_AWAY)
    is_followed_no_more(page)


def test_a_map_that_is_too_small_is_refused_before_the_work(served, visit, drawing):
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    page.get_by_label(LABELS["given"]).check()
    expect(page.get_by_role("alert")).to_contain_text("A map is never enlarged")
    expect(page.locator("#map")).to_contain_text("A map is never enlarged")
    page.get_by_label(LABELS["given"]).uncheck()
    is_followed(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_of_several_kinds_one_is_chosen_and_has_its_own_knobs(served, visit, drawing, offered):
    offered += ["softedge", "openpose"]
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    lines = source(page)
    expect(page.locator("#follow_blur")).to_have_count(0)
    page.get_by_label(LABELS["kind"]).click()
    page.get_by_role("option", name=KINDS["soft"].title, exact=True).click()
    expect(page.locator("#follow_blur")).to_be_visible()
    expect(page.locator("#follow_low")).to_have_count(0)
    expect(page.locator("#map img.whole")).not_to_have_attribute("src", lines)


def test_a_reload_asks_for_a_picture_of_which_nothing_was_made(served, visit, drawing):
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    page.wait_for_function("localStorage.getItem('demofusion-studio').length > 0")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text(errors.CONTROL_GONE)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)


def test_in_a_page_of_a_hand_it_fits_and_its_targets_are_large(served, visit, drawing):
    page = visit(served.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    drop(page, "drawing.png", drawing)
    follow(page)
    is_followed(page)
    for target in ("#unfollow", "#map-toggle .toggle", "#map-stage label >> nth=0"):
        assert page.locator(target).bounding_box()["height"] >= 44
    page.get_by_label(words.MAP_CLOSE).check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_model_without_controlnets_shows_nothing_of_it(served, visit, drawing, monkeypatch):
    monkeypatch.setattr("engine.nets._listed", tuple)
    page = visit(served.url)
    drop(page, "drawing.png", drawing)
    expect(page.get_by_role("img", name=words.START_PICTURE)).to_be_visible()
    expect(page.get_by_role("button", name=words.FOLLOW_IT)).to_have_count(0)
    expect(page.get_by_role("button", name=words.FOLLOW)).to_have_count(0)

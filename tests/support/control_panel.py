"""A control image in browser tests: how it is dropped on the page, and what the page then shows."""

from PIL import Image, ImageDraw

from tests.support.dropped_files import drop_file, encode_image
from tests.support.page_queries import expect, press_button
from ui.text import words


def drawing_png():
    """Draw a PNG of 288 x 192 px with a circle of high contrast and a square of low contrast."""
    picture = Image.new("RGB", (288, 192), (120, 120, 120))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((30, 30, 130, 130), fill=(230, 230, 230))
    pen.rectangle((160, 40, 260, 140), fill=(132, 132, 132))
    return encode_image(picture, "PNG")


def press_follow_edges(page):
    """Choose, in the note that follows a drop, to use the picture as a control."""
    press_button(page.locator(".st"), words.FOLLOW_EDGES)


def drop_control_image(page):
    """Drop a picture on the page and use it as a control."""
    drop_file(page, "drawing.png", drawing_png())
    press_follow_edges(page)
    expect_control(page)


def map_image(page):
    """Find the control map that is shown."""
    return page.get_by_role("img", name=words.MAP_ALT.partition("{")[0])


def map_source(page):
    """Return the address of the control map that is shown."""
    return page.locator("#map img.whole").get_attribute("src")


def expect_control(page):
    """Check that the page shows a control and its settings, and takes the shape of its picture."""
    expect(map_image(page)).to_be_visible()
    expect(page.get_by_label(words.SHAPE_OF_PICTURE)).to_be_checked()
    expect(page.locator("#follow_scale")).to_be_visible()


def expect_no_control(page, shape="1:1"):
    """Check that the page shows no control and has this shape again; None for a custom size."""
    expect(map_image(page)).to_have_count(0)
    expect(page.locator("#map")).to_have_text(words.FOLLOW_HELP)
    expect(page.locator("#follow_scale")).to_have_count(0)
    expect(page.locator("#unfollow")).to_have_count(0)
    expect(page.get_by_label(words.SHAPE_OF_PICTURE)).to_have_count(0)
    if shape:
        expect(page.get_by_label(shape, exact=True)).to_be_checked()
    else:
        expect(page.locator("#shape input:checked")).to_have_count(0)

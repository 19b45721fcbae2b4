"""Tests of the model picker, which shows the model, the device and the number format."""

from dataclasses import replace

import pytest

from engine.serving.model_pool import ModelPool
from tests.support.page_queries import expect
from tests.support.running_app import tiny_entry
from ui.panels.model_picker import model_picker_html
from ui.session.services import open_services
from ui.text import words


@pytest.fixture
def services(tmp_path, tiny_folder):
    services = open_services(
        tmp_path / "runs", ModelPool([tiny_entry(tiny_folder)], "cpu", "bfloat16"), max_age=1
    )
    yield services
    services.queue.close()


def test_the_model_picker_shows_the_number_format_once_the_model_is_loaded(services):
    numbers = words.NUMBER_FORMAT.format(precision=words.PRECISION_TITLES["bfloat16"], dtype="bfloat16")
    assert "bfloat16" not in model_picker_html(services)
    services.pool.model()
    assert numbers in model_picker_html(services)
    assert words.MODEL_OFFLOADED not in model_picker_html(services)


def test_the_model_picker_says_that_parts_of_the_model_are_offloaded(services, monkeypatch):
    loaded = services.pool.model()
    offloaded = replace(loaded, facts=replace(loaded.facts, offload=True))
    monkeypatch.setattr(services.pool, "model", lambda name="": offloaded)
    monkeypatch.setattr(services.pool, "facts", lambda name="": offloaded.facts)
    assert words.MODEL_OFFLOADED in model_picker_html(services)


@pytest.mark.browser
def test_the_number_format_is_visible_after_a_click_on_why(running_app, open_page):
    page = open_page(running_app.url)
    page.locator("#model-picker summary").click()
    numbers = words.NUMBER_FORMAT.format(precision=words.PRECISION_TITLES["float32"], dtype="float32")
    expect(page.locator("#model-picker").get_by_text(numbers)).to_be_visible()


@pytest.mark.browser
def test_the_details_of_the_model_picker_fit_on_a_phone(running_app, open_page):
    page = open_page(running_app.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("#model-picker summary").click()
    details = page.locator("#model-picker .popover")
    expect(details).to_be_visible()
    box = details.bounding_box()
    assert box["x"] + box["width"] <= 390

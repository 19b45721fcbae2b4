"""Weights that cannot be loaded: the page says so and why, and a later run tries again."""

import shutil

import pytest

from engine.errors import WeightsMissing
from engine.serving.model_pool import Lender
from tests.support.look import expect, fill_prompt, generate, is_done, line
from tests.support.page import launched, tiny_entry
from ui.session.services import open_house
from ui.text import words

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def torn(tiny_folder, tmp_path):
    """A model whose weights are cut short, and the way to mend it."""
    folder = shutil.copytree(tiny_folder, tmp_path / "torn")
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:1000])
    return folder, lambda: (folder / WEIGHTS).write_bytes(whole)


def test_a_lender_says_why_and_tries_again(torn):
    folder, mend = torn
    lender = Lender([tiny_entry(folder)], "cpu", "float32")
    assert lender.failed() == ""
    with pytest.raises(WeightsMissing) as fault:
        lender.model()
    assert lender.failed() == fault.value.sentence
    mend()
    assert lender.model() is lender.model()
    assert lender.failed() == ""


@pytest.mark.browser
def test_the_badge_says_that_loading_failed_and_generate_tries_again(torn, tmp_path, visit):
    folder, mend = torn
    house = open_house(tmp_path / "runs", Lender([tiny_entry(folder)], "cpu", "float32"), age=86400)
    with launched(house) as (url, _):
        page = visit(url)
        badge = page.locator("#badge")
        expect(badge).to_contain_text(words.BADGE_FAILED.format(title="Tiny"))
        badge.get_by_text(words.BADGE_WHY).click()
        expect(
            badge.get_by_text(words.LOADING_FAILED_REASON.format(reason=house.lender.failed()))
        ).to_be_visible()
        fill_prompt(page, "a red boat")  # Takes what was said of loading off the line.
        expect(line(page)).not_to_contain_text(house.lender.failed())
        generate(page)
        expect(line(page)).to_contain_text(house.lender.failed())
        mend()
        generate(page)
        is_done(page)
        expect(badge).to_contain_text(words.BADGE_LOADED.format(title="Tiny", place=words.CPU_ONLY))

"""Weights that cannot be loaded: the page says why, and the next run tries again."""

import shutil

import pytest

from engine.errors import WeightsMissing
from engine.serving.model_pool import ModelPool
from tests.support.page_queries import expect, expect_done, fill_prompt, press_generate, status_line
from tests.support.running_app import launch_app, tiny_entry
from ui.session.services import open_services
from ui.text import words

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def broken_model(tiny_folder, tmp_path):
    """The folder of a model whose weights are cut short, and a function that repairs them."""
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:1000])
    return folder, lambda: (folder / WEIGHTS).write_bytes(whole)


def test_the_model_pool_says_why_loading_failed_and_tries_again(broken_model):
    folder, repair = broken_model
    pool = ModelPool([tiny_entry(folder)], "cpu", "float32")
    assert pool.load_error() == ""
    with pytest.raises(WeightsMissing) as fault:
        pool.model()
    assert pool.load_error() == fault.value.sentence
    repair()
    assert pool.model() is pool.model()
    assert pool.load_error() == ""


@pytest.mark.browser
def test_the_model_picker_says_that_loading_failed_and_generate_tries_again(
    broken_model, tmp_path, open_page
):
    folder, repair = broken_model
    services = open_services(
        tmp_path / "runs", ModelPool([tiny_entry(folder)], "cpu", "float32"), max_age=86400
    )
    with launch_app(services) as (url, _):
        page = open_page(url)
        picker = page.locator("#model-picker")
        expect(picker).to_contain_text(words.MODEL_FAILED.format(title="Tiny"))
        reason = services.pool.load_error()  # Read once: it is empty while the model is being loaded again.
        picker.locator("summary").click()
        expect(picker.get_by_text(words.LOADING_FAILED_REASON.format(reason=reason))).to_be_visible()
        page.keyboard.press("Escape")
        fill_prompt(page, "a red boat")  # Removes the message from the status line.
        expect(status_line(page)).not_to_contain_text(reason)
        press_generate(page)
        expect(status_line(page)).to_contain_text(reason)
        repair()
        press_generate(page)
        expect_done(page)
        expect(picker).to_contain_text(words.MODEL_LOADED.format(title="Tiny", place=words.CPU_ONLY))

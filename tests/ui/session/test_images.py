"""What the shape of a page's input image implies for the size of its recipe."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from PIL import Image

from engine import Recipe
from engine.planning.plan import plan
from engine.recipe import images
from engine.recipe.controls import Control
from ui.session.images import _figure_html, recipe_with_files, without_image_size
from ui.session.session import Session


@pytest.fixture
def wide_image(tmp_path):
    """The path of an image whose shape gives no sizes that the published code can make."""
    path = tmp_path / "wide.png"
    Image.new("RGB", (300, 200)).save(path)
    return path


@pytest.mark.usefixtures("controlnet_kinds")
@pytest.mark.parametrize("faithful", [False, True])
def test_a_size_that_follows_from_the_image_is_left_out_where_faithful_has_no_effect(
    services, wide_image, faithful
):
    digest = images.digest(wide_image)
    session = Session(images={digest: services.uploads.store(wide_image)})
    free = Recipe(method="direct", faithful=faithful, scales=(1.0, 2.0), controls=(Control(image=digest),))
    planned = plan(recipe_with_files(session, services, free), services.facts()).recipe
    assert (planned.width, planned.height) == (312, 208)
    sized = replace(free, width=planned.width, height=planned.height)
    assert without_image_size(session, services, sized) == free


def test_two_images_are_drawn_at_the_same_time_at_most(tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    drawing, most, read, counting = 0, 0, images.read, threading.Lock()

    def read_slowly(path):
        nonlocal drawing, most
        with counting:
            drawing += 1
            most = max(most, drawing)
        time.sleep(0.02)
        with counting:
            drawing -= 1
        return read(path)

    monkeypatch.setattr(images, "read", read_slowly)
    with ThreadPoolExecutor(6) as threads:
        figures = list(threads.map(_figure_html, paths))
    assert len(figures) == 6
    assert most == 2

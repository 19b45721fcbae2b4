"""Tests of exports of the example, which all sessions share."""

from pathlib import Path

import pytest

from engine.serving.model_pool import ModelPool
from tests.support.planning import small_recipe
from tests.support.run_results import run_events
from tests.support.running_app import tiny_entry
from ui.panels.exports import make_export, viewed_centre
from ui.session.services import EXAMPLE, open_services


@pytest.fixture
def services(model, tiny_folder, tmp_path):
    example = Path(run_events(small_recipe(steps=4), model, tmp_path)[0].run)
    services = open_services(
        tmp_path / "runs", ModelPool([tiny_entry(tiny_folder)], "cpu", "float32"), max_age=1, example=example
    )
    yield services
    services.queue.close()


def test_zoom_films_of_the_example_to_different_places_are_different_files(services):
    centres = [viewed_centre((left, 0.1, 0.2, 0.2)) for left in (0.1, 0.7, 0.1)]
    files = [make_export(services, "dive", EXAMPLE, "", centre)["href"] for centre in centres]
    assert files[0] == files[2] != files[1]


def test_the_end_of_a_zoom_film_is_rounded_to_one_of_few_positions():
    assert viewed_centre((0.111, 0.3, 0.2, 0.2)) == (0.4, 0.2)
    assert len({viewed_centre((0, k / 1000, 0, 0)) for k in range(1001)}) == 21


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "nan", None, "x"])
def test_a_zoom_film_to_no_place_goes_to_the_centre(value):
    assert viewed_centre([value] * 4) == (0.5, 0.5)

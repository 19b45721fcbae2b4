"""Tests of the status line: the memory a run needs in addition to the loaded weights, and the free memory."""

from dataclasses import replace

import pytest

from engine import BadRecipe, Recipe, plan
from engine.catalogue.entries import Footprint
from engine.planning.cost import peak_memory
from engine.runs.events import Progress
from engine.serving.model_pool import ModelPool
from tests.support.planning import make_facts
from ui.messages.status import checked_fit, cost_message, describe_progress, refusal_message
from ui.session.progress import RunProgress
from ui.session.services import open_services
from ui.session.session import Session
from ui.text import methods, words
from ui.text.formatting import GB, format_gigabytes

LOADED = make_facts(hash="x", footprint=Footprint(weights=7 * GB, per_cell=40_000.0))


@pytest.fixture
def cost_with_free(tmp_path, monkeypatch):
    """A function that returns the status line of a run for an amount of free memory, with the weights loaded."""
    services = open_services(tmp_path, ModelPool([]), max_age=86400)

    def message_with_free(free):
        monkeypatch.setattr(services.pool, "free_memory", lambda name: free)
        return cost_message(Session(plan=plan(Recipe(prompt="a house"), LOADED)), services)

    yield message_with_free
    services.queue.close()


def test_memory_of_loaded_weights_is_not_counted_twice(cost_with_free):
    additional = peak_memory(plan(Recipe(prompt="a house"), LOADED).stages) - 7 * GB
    assert f"{format_gigabytes(additional)} of 8.0 GB of memory" in cost_with_free(8 * GB).details


def test_a_refusal_names_the_needed_and_the_free_memory(cost_with_free):
    whole = peak_memory(
        plan(Recipe(prompt="a house"), replace(LOADED, footprint=Footprint(per_cell=40_000.0))).stages
    )
    refusal = cost_with_free(whole // 2)
    assert refusal.fault
    assert (
        f"about {format_gigabytes(whole)} GB of memory, but {format_gigabytes(whole // 2)} GB are free"
        in refusal.text
    )


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"method": "relay", "scheduler": "euler_a"}, methods.NO_BLUR),
        ({"method": "upscaler", "enlarge": "latent"}, methods.ENLARGE_TITLES["lanczos"]),
        ({"method": "multidiffusion", "options": {"network": "hidiffusion"}}, methods.VIEW_TITLES["whole"]),
    ],
    ids=["blur", "latent", "windows"],
)
def test_a_refusal_offers_a_button_with_what_would_fit(settings, title):
    with pytest.raises(BadRecipe) as refused:
        plan(Recipe(prompt="a house", **settings), LOADED)
    (button,) = refusal_message(refused.value).actions
    assert button["label"] == words.USE_VALUE.format(value=title)
    assert plan(replace(Recipe(prompt="a house", **settings), **checked_fit(button["fit"])), LOADED)


def test_an_explanation_is_a_sentence_of_its_own(tmp_path):
    services = open_services(tmp_path, ModelPool([]), max_age=86400)
    progress = RunProgress(
        tmp_path / "run", plan=plan(Recipe(prompt="a house"), LOADED), last_progress=Progress(2, 1, 50, 1, 99)
    )
    text = describe_progress(progress, services)
    services.queue.close()
    assert text.endswith(f"step 1 of 50. {words.SOFT_AT_FIRST}")

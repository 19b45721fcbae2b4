"""Tests of the public endpoints on a real server, and of one recipe by library, API and page."""

import json
import re

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from engine import Recipe, StageDone, errors, generate
from engine.planning import cost
from engine.planning.plan import plan
from engine.recipe.recall import recall
from engine.recipe.recipe import to_dict
from engine.runs import store
from engine.runs.events import Accepted, Finished, Progress
from tests.support.run_results import last_stage, latent_bytes, stage_done_events
from tests.support.slow_cases import slow_cases
from ui.actions.replan import set_recipe
from ui.messages.status import status_message
from ui.session.session import Session
from ui.text import words

# Every value that has a default in the catalogue is set, as the library loads the model without the catalogue.
RECIPE_VALUES = {
    "prompt": "a green tree", "seed": 7, "alpha1": 1.5, "scales": [1, 2], "steps": 4, "guidance": 3.0,
    "scheduler": "ddim",
}  # fmt: skip
RECIPE = Recipe(**RECIPE_VALUES)


@pytest.fixture
def client(running_app):
    return Client(running_app.url, verbose=False)


def generate_by_api(client, **values):
    """Run a recipe by the API and return all its events."""
    return list(client.submit(api_name="/generate", **values))


def recipe_from_json(recipe):
    """Return a recipe as a dict after it was written as JSON and read again."""
    return json.loads(json.dumps(to_dict(recipe)))


def stored_latent_bytes(running_app, name, stage=2):
    """Return the bytes of the stored latent of a run's finished stage."""
    _, folder = store.find_stage(running_app.services.cache.root / name, stage)
    return store.read_stage(folder).latents.tobytes()


def remove_all_runs(running_app):
    """Remove all runs, so that the next one cannot reuse their stages."""
    for run in running_app.runs():
        running_app.services.cache.remove_run(run)


def test_plan_returns_what_the_engine_plans(running_app, client):
    result = client.predict(api_name="/plan", **RECIPE_VALUES)
    planned = plan(RECIPE, running_app.services.facts())
    assert result["recipe"] == recipe_from_json(planned.recipe)
    assert (result["evaluations"], result["memory"]) == (
        planned.evaluations,
        cost.peak_memory(planned.stages),
    )
    assert [
        (stage["stage"], stage["scale"], tuple(stage["size"]), stage["steps"], stage["evaluations"])
        for stage in result["stages"]
    ] == [(each.number, each.scale, each.size, each.step_count, each.evaluations) for each in planned.stages]
    assert running_app.runs() == []


def test_plan_names_settings_without_effect(client):
    result = client.predict(api_name="/plan", dilated=False, alpha2=2.5, **RECIPE_VALUES)
    assert "alpha2" in result["unused"]


def test_plan_takes_a_method_and_its_options(running_app, client):
    result = client.predict(api_name="/plan", method="sdedit", options={"restart": 0.5}, **RECIPE_VALUES)
    planned = plan(
        Recipe(method="sdedit", options={"restart": 0.5}, **RECIPE_VALUES), running_app.services.facts()
    )
    assert result["recipe"]["options"] == [["restart", 0.5]]
    assert (
        [stage["steps"] for stage in result["stages"]]
        == [stage.step_count for stage in planned.stages]
        == [4, 2]
    )
    with pytest.raises(AppError, match="There is no option 'stars'"):
        client.predict(api_name="/plan", method="sdedit", options={"stars": 1}, **RECIPE_VALUES)


def test_plan_fills_the_settings_that_are_left_out_with_a_quality_preset(running_app, client):
    result = client.predict(api_name="/plan", quality="draft", scales=[1, 2], steps=9)["recipe"]
    draft = running_app.services.facts().defaults.qualities["draft"]
    assert (result["steps"], result["dilated"]) == (9, draft.dilated)
    assert result["options"] == [["restart", draft.restart]]
    with pytest.raises(AppError, match="draft, standard, fine"):
        client.predict(api_name="/plan", quality="best", scales=[1, 2])


def test_generate_returns_every_event_and_the_pictures(running_app, client):
    events = generate_by_api(client, **RECIPE_VALUES)
    kinds = [event["kind"] for event in events]
    assert (kinds[0], kinds[-1]) == ("Accepted", "Finished")
    assert kinds.count("StageDone") == 2
    accepted, stages = events[0], [event for event in events if event["kind"] == "StageDone"]
    assert accepted["recipe"] == recipe_from_json(plan(RECIPE, running_app.services.facts()).recipe)
    assert [stage["size"] for stage in stages] == [stage["size"] for stage in accepted["stages"]]
    for stage in stages:
        with Image.open(stage["image"]) as picture:
            picture.load()
            assert [picture.height, picture.width] == stage["size"]
        assert recipe_from_json(recall(stage["image"]).recipe) == accepted["recipe"]


def test_a_second_request_reuses_the_cached_stages(client):
    generate_by_api(client, **RECIPE_VALUES)
    accepted, *rest = generate_by_api(client, **RECIPE_VALUES)
    assert [stage["stage"] for stage in accepted["kept"]] == [1, 2]
    assert [event["kind"] for event in rest] == ["Finished"]
    with Image.open(accepted["kept"][1]["image"]) as picture:
        assert [picture.height, picture.width] == accepted["kept"][1]["size"]


@pytest.mark.parametrize("endpoint", ["/plan", "/generate"])
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"alpha1": 12}, errors.OUT_OF_RANGE.format(field="alpha1", value=12, low=0, high=5)),
        ({"scheduler": "heun"}, errors.UNKNOWN_CHOICE.partition("{known}")[0].format(
            field="scheduler", value=errors.short_repr("heun"))),
        ({"width": 512}, errors.ONE_SIDE),
        ({"enlarge": "/etc/network.safetensors"}, errors.UNKNOWN_CHOICE.partition("{known}")[0].format(
            field="enlarge", value=errors.short_repr("/etc/network.safetensors"))),
        ({"enlarge": "remacri"}, errors.UPSCALER_TO_INSTALL.partition("{command}")[0].format(source="Remacri")),
    ],
    ids=["range", "choice", "side", "path", "not installed"],
)  # fmt: skip
def test_an_invalid_recipe_is_refused_with_the_engines_sentence(
    running_app, client, endpoint, values, sentence
):
    with pytest.raises(AppError, match=re.escape(sentence)):
        client.submit(api_name=endpoint, **values).result()
    assert running_app.runs() == []


def test_read_returns_the_recipe_of_a_picture(client, model, tmp_path):
    picture = stage_done_events(generate(RECIPE, model, out=tmp_path / "elsewhere", until=1))[0].image
    result = client.predict(handle_file(picture), api_name="/read")
    assert result == {"recipe": recipe_from_json(recall(picture).recipe), "strange": []}
    assert result["recipe"]["prompt"] == RECIPE.prompt


def test_read_refuses_a_picture_without_a_recipe(client, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(AppError, match=re.escape(errors.RECALL_NONE)):
        client.predict(handle_file(tmp_path / "plain.png"), api_name="/read")


def test_a_plain_http_request_with_named_settings_streams_all_events(running_app):
    address = f"{running_app.url}gradio_api/call/v2/generate"
    event = httpx.post(address, json={"prompt": "a red house", "steps": 4}).json()["event_id"]
    result = []
    with httpx.stream("GET", f"{running_app.url}gradio_api/call/generate/{event}", timeout=60) as response:
        for text in response.iter_lines():
            name, _, value = text.partition(": ")
            result += [(name, value)] if name in ("event", "data") else []
            if (name, value) == ("event", "complete"):
                break
    kinds = [json.loads(value)[0]["kind"] for name, value in result if name == "data" and value != "null"]
    assert (kinds[0], kinds[-1]) == ("Accepted", "Finished")
    assert ("event", "error") not in result
    (run,) = running_app.runs()
    assert len(store.finished_stages(run)) == 2


def test_only_files_of_runs_are_served(running_app, client):
    generate_by_api(client, **RECIPE_VALUES)

    def status_code(path):
        return httpx.get(f"{running_app.url}gradio_api/file={path}").status_code

    (run,) = running_app.runs()
    assert status_code(store.finished_stages(run)[1][1] / store.PICTURE_FILE) == 200
    root = running_app.services.cache.root
    others = [path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(run)]
    assert running_app.services.pace.path in others
    assert {status_code(path) for path in others} == {404}


@pytest.mark.browser
def test_one_recipe_gives_the_same_picture_by_library_api_and_page_and_when_resumed(
    running_app, client, open_page, model, tmp_path
):
    from tests.support.page_queries import expect, expect_done, fill_prompt, press_button, set_number

    by_library = latent_bytes(stage_done_events(generate(RECIPE, model, out=tmp_path / "library"))[-1])
    list(generate(RECIPE, model, out=tmp_path / "resumed", until=1))
    resumed = list(generate(RECIPE, model, out=tmp_path / "resumed"))
    assert [stage.stage for stage in resumed[0].kept] == [1]
    assert latent_bytes(last_stage(resumed)) == by_library

    generate_by_api(client, **RECIPE_VALUES)
    assert stored_latent_bytes(running_app, running_app.runs()[0].name) == by_library
    remove_all_runs(running_app)

    page = open_page(running_app.url)
    fill_prompt(page, RECIPE.prompt)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Tab")
    set_number(page, "alpha1", 1.5)
    expect(page.locator("#curves svg")).to_be_visible()
    press_button(page, words.GENERATE)
    expect_done(page)
    assert stored_latent_bytes(running_app, running_app.runs()[0].name) == by_library


@pytest.mark.parametrize(
    "changes",
    [
        {"scales": (1, 2, 3)},
        {"steps": 6, "economy": 0},
        *slow_cases(
            {},
            {"stride": 5, "jitter": False},
            {"dilated": False},
            {"progressive": False, "scales": (1, 2, 4)},
            {"skip_residual": False, "economy": 0.1},
            {"width": 384, "height": 256},
            {"scheduler": "dpmpp_2m", "steps": 5},
            {"guidance": 1},
        ),
    ],
    ids=str,
)
def test_the_cost_shown_on_the_page_is_the_cost_of_the_run(running_app, model, tmp_path, changes):
    session = Session()
    set_recipe(session, running_app.services, Recipe(prompt="a red house", **changes))
    details = status_message(session, running_app.services).details
    events = list(generate(session.recipe, model, out=tmp_path / "library"))
    assert isinstance(events[-1], Finished)
    evaluations = sum(stage.evaluations for stage in stage_done_events(events))
    assert details.startswith(words.COST_DETAILS.format(evaluations=f"{evaluations:,}", memory=""))
    assert {event.evaluations for event in events if isinstance(event, Accepted)} == {evaluations}
    assert [event for event in events if isinstance(event, Progress)][-1].evaluations == evaluations
    assert len([event for event in events if isinstance(event, StageDone)]) == len(session.plan.stages)

"""Tests of control images that are sent to the public endpoints."""

import re

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from engine import Recipe, errors, generate
from engine.recipe import images
from engine.runs import store
from tests.support.run_results import latent_bytes, stage_done_events

pytestmark = pytest.mark.usefixtures("controlnet_kinds")

RECIPE_VALUES = {
    "prompt": "a green tree",
    "seed": 7,
    "scales": [1, 2],
    "steps": 4,
    "guidance": 3.0,
    "scheduler": "ddim",
}


@pytest.fixture
def client(running_app):
    return Client(running_app.url, verbose=False)


def test_an_uploaded_control_image_gives_the_same_picture_as_in_the_library_and_is_stored_with_its_run(
    running_app, client, photo, model, tmp_path
):
    recipe = Recipe(**RECIPE_VALUES, controls=[{"image": photo, "scale": 0.8}])
    by_library = stage_done_events(generate(recipe, model, out=tmp_path / "library"))[-1]
    control = {"image": handle_file(photo), "scale": 0.8}
    accepted, *_ = client.submit(api_name="/generate", controls=[control], **RECIPE_VALUES)
    assert accepted["recipe"]["controls"] == [{"image": images.digest(photo), "kind": "canny", "scale": 0.8}]
    (run,) = running_app.runs()
    assert images.digest(photo) in {images.digest(path) for path in run.glob("upload-*.png")}
    planned = client.predict(api_name="/plan", controls=[control], **RECIPE_VALUES)
    assert planned["recipe"] == accepted["recipe"]
    assert store.read_stage(store.find_stage(run, 2)[1]).latents.tobytes() == latent_bytes(by_library)


@pytest.mark.parametrize(
    ("control", "sentence"),
    [
        (
            {"image": "/etc/passwd"},
            errors.PICTURE_NOT_A_DIGEST.format(value=errors.short_repr("/etc/passwd")),
        ),
        (
            {"image": {"path": "/etc/passwd"}},
            errors.RECALL_UNREADABLE.format(name=errors.short_repr("/etc/passwd")),
        ),
        ({"image": "sha256:" + "5e" * 32}, errors.CONTROL_PICTURE_GONE),
        ({"kind": "canny"}, errors.CONTROL_WITHOUT_PICTURE),
        ({"image": None, "colour": "red"}, errors.NOT_CONTROLS.partition("{")[0]),
        ("canny", errors.NOT_CONTROLS.partition("{")[0]),
    ],
)
def test_a_control_with_a_path_an_unknown_digest_or_an_invalid_value_is_refused(
    running_app, client, control, sentence
):
    for endpoint in ("/plan", "/generate"):
        with pytest.raises(AppError, match=re.escape(sentence)):
            client.submit(api_name=endpoint, controls=[control]).result()
    assert running_app.runs() == []


def test_a_control_that_names_a_controlnet_is_refused(running_app, client, photo):
    with pytest.raises(AppError, match=re.escape(errors.CONTROLNET_NOT_OFFERED.partition("{")[0])):
        client.predict(api_name="/plan", controls=[{"image": handle_file(photo), "net": "/tmp"}])

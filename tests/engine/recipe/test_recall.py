"""Recipes read back from images and JSON files, however damaged or hostile those are."""

import json
import struct
import zlib
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine import BadRecipe, Recipe
from engine.recipe.checks import check
from engine.recipe.recall import MAX_JSON_LENGTH, RECORD_NAME, recall, recall_json
from engine.recipe.recipe import SETTINGS, from_dict, to_dict
from engine.runs import store
from tests.support.recipes import RECIPES, as_browser_sends

MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(RECIPES)
def test_every_recipe_survives_json(recipe):
    recipe = check(recipe)
    for text in (json.dumps(to_dict(recipe)), json.dumps({"recipe": to_dict(recipe), "seconds": 2})):
        recalled = recall_json(text)
        assert (recalled.recipe, recalled.strange) == (recipe, ())
        assert recalled.recipe.hash == recipe.hash


@MANY
@given(RECIPES)
def test_every_recipe_survives_the_controls_of_a_page(recipe):
    recipe = check(recipe)
    values = {name: as_browser_sends(value) for name, value in to_dict(recipe).items() if name in SETTINGS}
    again, strange = from_dict(json.loads(json.dumps(values)))
    assert (check(again), strange) == (recipe, ())
    assert check(again).hash == recipe.hash


@settings(MANY, max_examples=60)
@given(RECIPES)
def test_every_recipe_survives_a_picture(tmp_path, recipe):
    recipe = check(recipe)
    path = tmp_path / "picture.png"
    info = PngInfo()
    info.add_text(RECORD_NAME, json.dumps({"recipe": to_dict(recipe)}))
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)
    assert recall(path).recipe == recipe


def test_a_stored_picture_holds_its_recipe_and_record(tmp_path):
    record = {"recipe": to_dict(Recipe(prompt="a house")), "seconds": 2.5, "engine": "x"}
    kept = store.StoredStage(np.ones((1, 4, 2, 2), np.float32), (0.0, 1.0), record)
    folder = store.write_stage(tmp_path, 1, "a" * 32, kept, Image.new("RGB", (8, 8)))
    recalled = recall(folder / "picture.png")
    assert recalled.recipe == Recipe(prompt="a house")
    assert (recalled.record["seconds"], recalled.record["engine"]) == (2.5, "x")


def refusal(path):
    """Return the sentence with which a file is refused, or None if it has a recipe."""
    return refusal_of(recall, path)


def refusal_of(read, source):
    """Return the sentence with which reading is refused, marked "unfit" if its length is wrong, or None."""
    try:
        read(source)
    except BadRecipe as fault:
        return fault.sentence if 10 < len(fault.sentence) <= 400 else f"unfit: {fault.sentence}"
    return None


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


GOOD = png(chunk(b"tEXt", b"demofusion\0" + json.dumps(to_dict(Recipe())).encode()))
BOMB = png(chunk(b"zTXt", b"demofusion\0\0" + zlib.compress(b"[" * 50_000_000, 9)))
HUGE = GOOD[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + GOOD[24:]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not JSON"),
        (b"\x89PNG", "could not be read"),
        (GOOD[:40], "could not be read"),
        (png(), "contains no recipe"),
        (png(chunk(b"tEXt", b"parameters\0steps: 20")), "contains no recipe"),
        (png(chunk(b"tEXt", b"demofusion\0not json")), "not JSON"),
        (png(chunk(b"tEXt", b"demofusion\0[1, 2]")), "not a recipe"),
        (BOMB, "too long"),
        (b'{"a": 1}', "not a recipe"),
        (b"[" * 100_000, "not JSON"),
        (b'{"prompt": "x", "options": ' + b"[" * 950 + b"]" * 950 + b"}", "not JSON"),
        (b'{"prompt": "x", "options": ' + b"[" * 100 + b"]" * 100 + b"}", "not JSON"),
        (b'{"prompt": "x"', "not JSON"),
        (b"\xff\xfe{}", "could not be read"),
        (b" " * (MAX_JSON_LENGTH + 1), "too long"),
    ],
)
def test_a_file_without_a_recipe_is_refused_in_a_sentence(data, word, tmp_path):
    (tmp_path / "file").write_bytes(data)
    assert word in refusal(tmp_path / "file")


def test_the_px_of_a_picture_are_not_needed_for_its_recipe(tmp_path):
    (tmp_path / "file").write_bytes(HUGE)
    assert recall(tmp_path / "file").recipe == Recipe()


def test_another_kind_of_picture_carries_no_recipe(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.jpg")
    assert "contains no recipe" in refusal(tmp_path / "picture.jpg")


def test_a_missing_file_is_refused(tmp_path):
    assert "could not be read" in refusal(tmp_path / "nothing.png")
    assert "could not be read" in refusal(tmp_path)


@MANY
@given(st.data())
def test_a_damaged_picture_is_refused_in_a_sentence_or_gives_its_recipe(tmp_path, data):
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "picture.png"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    assert not (refusal(path) or "").startswith("unfit")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@MANY
@given(st.dictionaries(st.sampled_from([f.name for f in fields(Recipe)]) | st.text(max_size=8), ANYTHING))
def test_hostile_values_are_named_and_the_rest_is_a_valid_recipe(hostile):
    text = json.dumps(hostile)
    if message := refusal_of(recall_json, text):
        assert not message.startswith("unfit")
        return
    recalled = recall_json(text)
    check(recalled.recipe)
    assert all(len(name) <= 41 for name in recalled.strange)
    assert len(recalled.strange) <= 8
    unknown = [name for name in hostile if name not in SETTINGS and name != "version"]
    assert not unknown or recalled.strange


def test_unknown_and_invalid_values_are_named_and_the_rest_is_kept():
    text = json.dumps({"prompt": "a house", "alpha1": 12, "juggernaut": 1, "seed": -1, "steps": 20})
    recalled = recall_json(text)
    assert recalled.recipe == Recipe(prompt="a house", steps=20)
    assert set(recalled.strange) == {"alpha1", "juggernaut", "seed"}


def test_unprintable_names_are_escaped():
    assert recall_json('{"prompt": "x", "\\ud800": 1}').strange == ("?",)


def test_two_contradicting_sigmas_are_both_dropped():
    recalled = recall_json(json.dumps({"sigma1": 0.1, "sigma2": 0.5, "stride": 8}))
    assert recalled.recipe == Recipe(stride=8)
    assert set(recalled.strange) == {"sigma1", "sigma2"}

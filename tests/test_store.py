import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from engine import BadRecipe, Recipe, store
from engine.recipe import from_dict

LATENT = np.random.RandomState(0).standard_normal((1, 4, 2, 2)).astype(np.float32)


def write(run, stage=1, picture=None, latents=LATENT):
    picture = picture or Image.new("RGB", (16, 16), "red")
    store.write(
        run, stage, store.Kept(latents, (0.25, 1.5)), picture, Recipe(prompt="häuser", seed=3), {"seconds": 2}
    )


def test_a_run_has_a_name_of_128_random_bits(tmp_path):
    names = {store.new_run(tmp_path).name for _ in range(20)}
    assert len(names) == 20
    assert all(len(bytes.fromhex(name)) == 16 for name in names)


def test_a_stage_comes_back_to_the_bit(tmp_path):
    write(tmp_path)
    kept = store.read(tmp_path, 1)
    assert np.array_equal(kept.latents, LATENT)
    assert kept.tone == (0.25, 1.5)


def test_the_picture_tells_its_recipe(tmp_path):
    write(tmp_path)
    text = json.loads(Image.open(store.picture_path(tmp_path, 1)).text["demofusion"])
    recipe, strange = from_dict(text["recipe"])
    assert recipe == Recipe(prompt="häuser", seed=3)
    assert (text["stage"], text["seconds"], strange) == (1, 2, ())


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    class Broken(Image.Image):
        def save(self, *args, **more):
            args[0].write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(tmp_path, picture=Broken())
    assert list(tmp_path.iterdir()) == []


def test_a_stage_without_its_latent_is_not_there(tmp_path):
    write(tmp_path)
    store.latents_path(tmp_path, 1).unlink()
    with pytest.raises(BadRecipe, match="Stage 1 was not found"):
        store.read(tmp_path, 1)


@pytest.mark.parametrize("damage", [b"", b"half", b"x" * 500])
def test_a_latent_that_is_not_whole_is_told(damage, tmp_path):
    write(tmp_path)
    store.latents_path(tmp_path, 1).write_bytes(damage)
    with pytest.raises(BadRecipe, match="cannot be read"):
        store.read(tmp_path, 1)


@pytest.mark.parametrize("tone", [(np.nan, 1.0), (0.0, -1.0), (0.0, 1.0, 2.0)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_stage_whose_numbers_make_no_sense_is_not_taken(tone, kind, tmp_path):
    tensors = {"latents": LATENT.astype(kind), "tone": np.asarray(tone, np.float64)}
    save_file(tensors, store.latents_path(tmp_path, 1))
    with pytest.raises(BadRecipe, match="cannot be read"):
        store.read(tmp_path, 1)


def test_stages_are_copied_where_they_cannot_be_linked(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(store.os, "link", refuse)
    old, new = store.new_run(tmp_path), store.new_run(tmp_path)
    write(old)
    store.take_along(old, new, 1)
    assert np.array_equal(store.read(new, 1).latents, LATENT)


def test_stages_taken_along_outlive_their_first_run(tmp_path):
    old, new = store.new_run(tmp_path), store.new_run(tmp_path)
    write(old, 1)
    write(old, 2)
    store.take_along(old, new, 1)
    for path in old.iterdir():
        path.unlink()
    assert sorted(path.name for path in new.iterdir()) == ["stage-1.png", "stage-1.safetensors"]
    assert np.array_equal(store.read(new, 1).latents, LATENT)

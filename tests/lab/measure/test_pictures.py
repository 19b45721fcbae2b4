"""Generated pictures and their cache, and signed figures."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from lab.measure import pictures


def test_a_cached_picture_is_not_generated_again_for_the_same_weights_and_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "CACHE", tmp_path)
    calls = []

    def draw(model, recipe):
        calls.append((model.facts.hash, recipe.seed, recipe.method))
        return np.full((8, 8, 3), len(calls), np.uint8)

    monkeypatch.setattr(pictures, "draw", draw)
    old, new = (SimpleNamespace(facts=SimpleNamespace(hash=name)) for name in "ab")
    request = ("a red house", 7, (1, 2), 20)
    first = pictures.cached_picture(old, *request, method="direct")
    again = pictures.cached_picture(old, *request, method="direct")
    assert first.shape == (8, 8, 3)
    assert (again == first).all()
    assert pictures.cached_picture(new, *request, method="direct").max() == 2
    assert pictures.cached_picture(old, *request, method="demofusion").max() == 3
    assert calls == [("a", 7, "direct"), ("b", 7, "direct"), ("a", 7, "demofusion")]


def test_a_figure_is_signed_with_the_weights_that_made_it():
    signed = pictures.add_signature(Image.new("RGB", (300, 20), "blue"), "0123abcd")
    assert signed.size == (300, 36)
    assert np.asarray(signed)[20:].min() < 60

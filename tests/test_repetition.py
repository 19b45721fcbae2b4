"""Counting subjects at four times the side."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from lab import repetition


def test_a_picture_that_is_kept_is_not_drawn_again_under_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(repetition, "KEPT", tmp_path)
    asked = []

    def drawn(model, prompt, seed, scales, steps, method):
        asked.append((model.facts.hash, method, seed))
        return np.full((8, 8, 3), len(asked), np.uint8)

    monkeypatch.setattr(repetition, "drawn", drawn)
    old, new = (SimpleNamespace(facts=SimpleNamespace(hash=name * 64)) for name in "ab")
    first = repetition.picture(old, "direct", 7, "a red house", 20)
    assert (repetition.picture(old, "direct", 7, "a red house", 20) == first).all()
    assert repetition.picture(new, "direct", 7, "a red house", 20).max() == 2
    assert asked == [("a" * 64, "direct", 7), ("b" * 64, "direct", 7)]
    assert Image.open(tmp_path / "aaaaaaaaaaaa-direct-20-7.png").size == (8, 8)

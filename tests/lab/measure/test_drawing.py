"""Pictures drawn to be measured."""

from types import SimpleNamespace

import numpy as np

from lab.measure import drawing


def test_a_picture_that_is_kept_is_not_drawn_again_under_the_same_weights_and_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "KEPT", tmp_path)
    asked = []

    def drawn(model, prompt, seed, scales, steps, **more):
        asked.append((model.facts.hash, seed, more))
        return np.full((8, 8, 3), len(asked), np.uint8)

    monkeypatch.setattr(drawing, "drawn", drawn)
    old, new = (SimpleNamespace(facts=SimpleNamespace(hash=name)) for name in "ab")
    ask = ("a red house", 7, (1, 2), 20)
    first = drawing.kept(old, *ask, method="direct")
    again = drawing.kept(old, *ask, method="direct")
    assert first.shape == (8, 8, 3)
    assert (again == first).all()
    assert drawing.kept(new, *ask, method="direct").max() == 2
    assert drawing.kept(old, *ask, method="demofusion").max() == 3
    assert asked == [
        ("a", 7, {"method": "direct"}),
        ("b", 7, {"method": "direct"}),
        ("a", 7, {"method": "demofusion"}),
    ]

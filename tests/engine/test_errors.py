"""Wrong values in error sentences."""

import pytest

from engine.errors import short_repr


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("heun", "'heun'"),
        (1.5, "1.5"),
        ([1, "x"], "[1, 'x']"),
        ("a" * 50, "'" + "a" * 39 + "…"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1…"),
        ({"path": "/tmp/gradio/a.png"}, "a mapping"),
        ([None, {"path": "/tmp/gradio/a.png"}], "a list"),
        ((1, [2]), "a list"),
    ],
)
def test_a_wrong_value_is_short_in_a_sentence(value, expected):
    short = short_repr(value)
    assert (short, len(short) <= 41) == (expected, True)


def test_a_value_without_a_repr_is_named_by_its_type():
    class Broken:
        def __repr__(self):
            raise ValueError

    assert short_repr(Broken()) == "Broken"

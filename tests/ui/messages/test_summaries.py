"""Tests of the text on the differences between two recipes."""

import pytest

from engine import Recipe
from ui.messages.summaries import describe_differences
from ui.text import words


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ((512, 512), (512, 512), ""),
        ((512, 512), (1024, 1024), ""),
        ((336, 192), (680, 384), ""),
        ((512, 512), (680, 384), words.SHAPE_CHANGED),
        ((512, 384), (384, 512), words.SHAPE_CHANGED),
    ],
)
def test_another_aspect_ratio_is_named_and_another_size_is_not(before, after, text):
    one, other = (Recipe(width=width, height=height) for width, height in (before, after))
    assert describe_differences(one, other) == text

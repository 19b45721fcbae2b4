"""Durations as the page shows them."""

import pytest

from ui.text.formatting import format_range


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1, 5, "a few seconds"),
        (41, 43, "about 45 s"),
        (41, 52, "45 to 55 s"),
        (5, 30, "up to 30 s"),
        (100, 170, "100 s to 3 minutes"),
        (130, 250, "3 to 5 minutes"),
    ],
)
def test_a_range_names_its_ends_where_they_differ(low, high, text):
    assert format_range(low, high) == text

"""Rates and their confidence intervals."""

import pytest

from lab.measure.tables import rate_text, wilson_interval


def test_a_rate_has_wilsons_interval():
    assert wilson_interval(0, 10)[0] == 0
    low, high = wilson_interval(9, 10)
    assert low == pytest.approx(0.596, abs=0.001)
    assert high == pytest.approx(0.982, abs=0.001)
    assert rate_text(9, 10) == "90% (60% to 98%)"

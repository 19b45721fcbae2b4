"""Parameters of tests that only run when slow tests are selected."""

import pytest


def slow_cases(*values):
    """Mark values of a parametrized test as slow."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]

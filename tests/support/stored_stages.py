"""Finished stages that tests store without running a model."""

import numpy as np

from engine import Recipe
from engine.recipe.recipe import to_dict
from engine.runs import store
from engine.runs.store import StoredStage


def store_stage(run, number, picture, **recipe):
    """Write a stage with this picture and return its folder."""
    record = {"recipe": to_dict(Recipe(**{"prompt": "a red house", "seed": 42} | recipe)), "stage": number}
    stored = StoredStage(np.zeros((1, 4, 8, 8), np.float32), (0.0, 1.0), record)
    return store.write_stage(run, number, f"{number:032x}", stored, picture)


def overwrite(path, content):
    """Write bytes into a file of a finished stage, although it is read-only; runs that share it share the damage."""
    path.chmod(0o644)
    path.write_bytes(content)


def stage_folders(run):
    """The folders of a run's stages."""
    return [folder for _, folder in store.finished_stages(run).values()]

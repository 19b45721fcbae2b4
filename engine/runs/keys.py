"""The key of a stage: a hash of everything that determines it. Equal keys are the same picture. No torch."""

import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from engine.catalogue.entries import lora_digests
from engine.methods import ABLATIONS, SKIP_RESIDUAL_SETTINGS
from engine.planning.controlnets import net_of
from engine.planning.stage import Stage
from engine.recipe.controls import determines
from engine.recipe.effects import ineffective_settings, resolve_method
from engine.recipe.recipe import SETTINGS

PICTURES = 2
"""To be raised with every change of the engine that changes pictures."""

OF_A_ROW = ("pulls", "restarts", "views", "placed", "shakes", "network")
OF_EVERY_STAGE = frozenset(
    "prompt negative seed steps guidance guidance_rescale scheduler "
    "image fidelity loras options faithful".split()
)


def keys(stages: Sequence[Stage], below: str = "") -> tuple[str, ...]:
    """The key of each stage, of which the first starts from the stage with the key `below`."""
    made = []
    for stage in stages:
        below = key(stage, below)
        made.append(below)
    return tuple(made)


def key(stage: Stage, below: str) -> str:
    """128 bits. `below`: the key of the stage that it starts from; empty for the first."""
    text = json.dumps(_determines(stage, below), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def _told_of(config: Mapping[str, Any]) -> dict[str, str]:
    """A scheduler's config without where it was read and by which version."""
    return {k: repr(v) for k, v in config.items() if k == "_class_name" or not k.startswith("_")}


def of_its_own() -> str:
    """A key that nothing else will ever have."""
    return secrets.token_hex(16)


def _determines(stage: Stage, below: str) -> dict[str, Any]:
    recipe, row = stage.recipe, resolve_method(stage.recipe)
    # What a method does not know is off, as it may be with one that does.
    without = set(ineffective_settings(recipe)) - {"image", "faithful"}
    read = OF_EVERY_STAGE - without
    values: dict[str, Any] = {
        "pictures": PICTURES,
        "model": stage.facts.hash,
        "native": (stage.facts.window, stage.facts.cell, stage.facts.channels),
        "levels": _told_of(stage.facts.scheduler),
        "below": below,
        "cells": (stage.rows, stage.cols),
        "told": stage.whole_ids,
    }
    if not stage.is_base:
        read |= row.reads - ABLATIONS - without
        values |= {"factor": stage.factor}
    elif recipe.image is not None:
        read |= (SKIP_RESIDUAL_SETTINGS | {"economy", "restart"}) & row.reads - without
    if not stage.is_base or recipe.image is not None:
        values |= {"row": {name: getattr(row, name) for name in OF_A_ROW}}
    read -= {"options"}
    values |= {name: getattr(recipe if name in SETTINGS else stage.options, name) for name in read}
    values["controls"] = _followed(stage)
    if recipe.loras:
        values["loras"] = lora_digests(recipe.loras)
    return values


def _followed(stage: Stage) -> list[dict[str, Any]]:
    """All that is followed at this stage, and by which ControlNets."""
    felt = ((control, determines(control, stage.number)) for control in stage.recipe.controls)
    return [
        # Blurs grow along with the stages, from the size of the first.
        told | {"net": net_of(control, stage.facts).digest} | ({"from": stage.base} if "blur" in told else {})
        for control, told in felt
        if told
    ]

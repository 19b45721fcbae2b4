"""The key of a stage: a hash of everything that determines its picture. Equal keys mean equal pictures. No torch.

Names inside the hashed JSON are frozen: a renamed entry would change every key, and every finished stage would be
made again. Where names in the code have changed, the old names are kept here as strings.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from engine.catalogue.entries import lora_digests
from engine.catalogue.upscalers import upscaler_digest
from engine.methods import ABLATION_SETTINGS, RESTART_OPTIONS, SKIP_RESIDUAL_SETTINGS
from engine.planning.controlnets import controlnet_for
from engine.planning.stage import Stage
from engine.recipe.controls import key_values
from engine.recipe.effects import ineffective_settings
from engine.recipe.recipe import SETTINGS

# A part of every key. Raise this number with every change of the engine that changes pictures.
PICTURES_VERSION = 2

# The fields of Method that a key contains, by their names in the hashed JSON.
METHOD_FIELDS = {
    "pulls": "skip_residual",
    "restarts": "restarts",
    "views": "views",
    "placed": "true_size_ids",
    "shakes": "jitters",
    "network": "network",
}
# Settings that every stage of every method reads.
COMMON_SETTINGS = frozenset(
    "prompt negative seed steps guidance guidance_rescale scheduler "
    "image fidelity loras options faithful".split()
)


def stage_keys(stages: Sequence[Stage], previous: str = "") -> tuple[str, ...]:
    """Return the key of each stage, in order.

    previous: the key of the stage below the first one; empty if there is no such stage.
    """
    keys = []
    for stage in stages:
        previous = stage_key(stage, previous)
        keys.append(previous)
    return tuple(keys)


def stage_key(stage: Stage, previous: str) -> str:
    """Return the key of a stage: 32 hex digits (128 bits).

    previous: the key of the stage below; empty if there is no such stage.
    """
    text = json.dumps(_key_values(stage, previous), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def unique_key() -> str:
    """Return a random stage key, for a stage that no other run may reuse."""
    return secrets.token_hex(16)


def _key_values(stage: Stage, previous: str) -> dict[str, Any]:
    """Return everything that determines a stage's picture, as values for JSON."""
    if stage.upscales:
        return _upscaled_key_values(stage, previous)
    recipe, row = stage.recipe, stage.method
    # A setting without effect is left out, so that it changes no key.
    ineffective = set(ineffective_settings(recipe)) - {"image", "faithful"}
    read = COMMON_SETTINGS - ineffective
    values: dict[str, Any] = {
        "pictures": PICTURES_VERSION,
        "model": stage.facts.hash,
        "native": (stage.facts.window, stage.facts.cell, stage.facts.channels),
        "levels": _scheduler_values(stage.facts.scheduler),
        "below": previous,
        "cells": (stage.rows, stage.cols),
        "told": stage.whole_canvas_id,
    }
    if not stage.is_base:
        read |= row.reads - ABLATION_SETTINGS - ineffective
        values["factor"] = stage.dilation
        if row.relays:
            values["block_side"] = stage.block_side
    elif recipe.image is not None:
        read |= (SKIP_RESIDUAL_SETTINGS | {"economy"}) & row.reads - ineffective
    if not stage.is_base or recipe.image is not None:
        values["row"] = {name: getattr(row, field) for name, field in METHOD_FIELDS.items()}
    read -= {"options", *RESTART_OPTIONS}
    values |= {name: getattr(recipe if name in SETTINGS else stage.options, name) for name in read}
    if (not stage.is_base or recipe.image is not None) and (row.restarts or stage.start_fraction < 1):
        values["restart"] = stage.start_fraction
    if stage.upscaler:
        values["enlarge"] = upscaler_digest(stage.upscaler)
    values["controls"] = _control_values(stage)
    if recipe.loras:
        values["loras"] = lora_digests(recipe.loras)
    return values


def _upscaled_key_values(stage: Stage, previous: str) -> dict[str, Any]:
    """Return everything that determines the picture of a stage that an upscaler makes, as values for JSON.

    Neither the prompt nor the seed is among them, nor anything else that only denoising reads.
    """
    return {
        "pictures": PICTURES_VERSION,
        "model": stage.facts.hash,
        "below": previous,
        "cells": (stage.rows, stage.cols),
        "enlarge": upscaler_digest(stage.upscaler),
        "image": None if previous else stage.recipe.image,
    }


def _scheduler_values(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a scheduler's config as strings, without its path and the version of diffusers that wrote it."""
    return {k: repr(v) for k, v in config.items() if k == "_class_name" or not k.startswith("_")}


def _control_values(stage: Stage) -> list[dict[str, Any]]:
    """Return what a stage's key contains of each control that is active at the stage."""
    contributions = []
    for control in stage.recipe.controls:
        values = key_values(control, stage.number)
        if not values:
            continue
        values["net"] = controlnet_for(control, stage.facts).digest
        if "blur" in values:  # A blur grows with the stages, from the first one's size.
            values["from"] = stage.base_size
        contributions.append(values)
    return contributions

"""The recipe: all settings that determine an image. Needs neither torch nor a model.

Each field has a Setting (fields.py) with kind, range, label and help. The validation in checks.py, the page's
widgets, the API and the record in a PNG are derived from these Settings.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

from engine import errors
from engine.catalogue.entries import lora_digests, lora_titles
from engine.catalogue.upscalers import upscaler_digest, upscaler_record_name
from engine.errors import BadRecipe
from engine.formulas.timesteps import SCHEDULERS
from engine.methods import METHODS
from engine.recipe import controls, images
from engine.recipe.controls import Control, parse_controls
from engine.recipe.fields import Setting, collect_settings, freeze, setting

# The version of a recipe's JSON format.
FORMAT_VERSION = 1
# The largest number of characters in a prompt.
MAX_PROMPT_LENGTH = 2000
# The largest number of scales in a recipe.
MAX_SCALES = 8
# The largest number of LoRAs in a recipe.
MAX_LORAS = 8
# The largest absolute strength of a LoRA; strengths may be negative.
MAX_LORA_STRENGTH = 4.0
# The longest side of a picture in px.
MAX_SIDE = 8192
# The largest seed.
MAX_SEED = 2**32 - 1
# The value of `enlarge` with which a stage starts from the enlarged latent of the stage below.
LATENT = "latent"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a run. The constructor accepts any values; `plan` validates them and fills empty fields."""

    prompt: str = setting("", "text", "Prompt", "What the picture shows.")
    negative: str | None = setting(
        None, "text", "Avoid", "What it should not show. Omitted is not the same as empty."
    )
    seed: int = setting(0, "integer", "Seed", "Same seed, same settings, same picture.", 0, MAX_SEED, 1)
    method: str = setting(
        "demofusion", "choice", "Method", "How the large picture is made.", choices=tuple(METHODS)
    )
    model: str = setting("", "text", "Model", "What draws. Empty takes the first on offer.")
    width: int | None = setting(None, "integer", "Width", "Of the final picture, in px.", 1, MAX_SIDE, 8)
    height: int | None = setting(None, "integer", "Height", "Of the final picture, in px.", 1, MAX_SIDE, 8)
    scales: tuple[float, ...] = setting(
        (),
        "scales",
        "Scale stages",
        "How many sizes the picture passes through. Every stage is yours to keep; the last one costs most.",
    )
    steps: int | None = setting(None, "integer", "Steps", "Denoising steps of every stage.", 4, 100, 1)
    guidance: float | None = setting(
        None, "number", "Prompt strength", "Low: loose and calm. High: literal, harder colours.", 1, 15, 0.5
    )
    guidance_rescale: float = setting(
        0.0, "number", "Calm strong colours", "Takes back the contrast that strong guidance adds.", 0, 1, 0.05
    )
    scheduler: str = setting(
        "", "choice", "Solver", "How a step follows from the one before.", choices=("", "model", *SCHEDULERS)
    )
    alpha1: float = setting(
        3.0,
        "number",
        "Layout release α₁",
        "When a stage lets go of the smaller picture. Lower: later, stays true to it. "
        "Higher: sooner, freer, may drift.",
        0,
        5,
        0.1,
    )
    alpha2: float = setting(
        1.0,
        "number",
        "Overview release α₂",
        "When it stops looking at the picture as a whole. Lower: later, fewer repeats, more grain. "
        "Higher: sooner, crisper, may repeat.",
        0,
        5,
        0.1,
    )
    alpha3: float = setting(
        1.0,
        "number",
        "Smoothing release α₃",
        "When the smoothing of that overview fades. Lower: later, calmer. Higher: sooner, sharper, "
        "maybe gritty.",
        0,
        5,
        0.1,
    )
    sigma1: float = setting(
        0.8,
        "number",
        "Smoothing at first σ₁",
        "How strongly the overview is smoothed at the start. More: less grain, softer. "
        "Less: crisper, a grid may show.",
        0,
        2,
        0.05,
    )
    sigma2: float = setting(
        0.008,
        "number",
        "Smoothing at last σ₂",
        "How much of it is left at the end. Below 0.25 it changes nothing; raise it against a stubborn grid.",
        0,
        1,
        0.001,
    )
    stride: int | None = setting(
        None,
        "integer",
        "Window step (stride)",
        "How far each window moves on, in latent cells. Smaller: fewer seams, slower. "
        "Larger: faster, seams may show.",
        1,
        128,
        1,
    )
    progressive: bool = setting(
        True, "flag", "Grow in stages", "Off: one leap from the first size to the last."
    )
    skip_residual: bool = setting(
        True, "flag", "Follow the smaller picture", "Off: a stage remembers it only in its first noise."
    )
    dilated: bool = setting(
        True, "flag", "Look at the whole", "Off: windows only. Expect the subject more than once."
    )
    jitter: bool = setting(True, "flag", "Shake the windows", "Hides seams.")
    feather: bool = setting(True, "flag", "Soft window edges", "Hides seams.")
    kernel: str = setting(
        "paper",
        "choice",
        "Smoothing width",
        "As the paper says (4s-3) or as its code does (2s-1).",
        choices=("paper", "code"),
    )
    lattice: str = setting(
        "v",
        "choice",
        "Overview blend",
        "v keeps the noise right when nothing is pulled; raw is as published.",
        choices=("v", "raw"),
    )
    economy: float = setting(
        0.005,
        "number",
        "Skip invisible work",
        "Skips work of which less than this share is left in the result. 0 skips nothing.",
        0,
        0.1,
        0.005,
    )
    image: str | None = setting(None, "picture", "Start picture", "A picture to enlarge.")
    fidelity: float = setting(
        0.5,
        "number",
        "Stay close to my picture",
        "0: a new picture on its layout. 1: the same picture, only finer.",
        0,
        1,
        0.05,
    )
    controls: tuple[Control, ...] = setting(
        (), "controls", "Follow a picture", "Pictures whose edges, depth or pose guide the drawing."
    )
    loras: tuple[Any, ...] = setting((), "loras", "LoRAs", "Small additions, each with its strength.")
    enlarge: str = setting(
        "",
        "upscaler",
        "Enlarge by",
        "How a stage starts from the one below: from its enlarged latent, or from its picture, enlarged by an "
        "upscaler.",
    )
    options: tuple[tuple[str, Any], ...] = setting((), "options", "Options", "Settings of one method alone.")
    faithful: bool = setting(
        False,
        "flag",
        "Exactly as published",
        "The authors' code, quirks included. Sets jitter borders, edges, kernel and skipping itself.",
    )
    view_batch: int | None = setting(
        None,
        "integer",
        "Views at once",
        "More is faster where memory allows; the picture stays the same.",
        1,
        64,
        1,
    )

    def __post_init__(self) -> None:
        for name in ("scales", "controls", "loras", "options"):
            object.__setattr__(self, name, freeze(getattr(self, name)))
        if isinstance(self.controls, tuple):
            object.__setattr__(self, "controls", parse_controls(self.controls))

    @property
    def hash(self) -> str:
        """A sha256 of all settings except view_batch, which does not change the image."""
        values = {k: v for k, v in to_dict(self).items() if k != "view_batch"}
        values["loras"] = lora_digests(self.loras)
        values["enlarge"] = upscaler_digest(self.enlarge)
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


# The Setting of each field of a recipe, by name.
SETTINGS: dict[str, Setting] = collect_settings(Recipe)
# The recipe in which every setting has its default.
DEFAULTS = Recipe()


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's settings by name, for JSON, with the version of the format.

    The result contains no folders: images are given by digest, LoRAs and upscalers by name.
    """
    values = {f.name: getattr(recipe, f.name) for f in fields(Recipe)}
    if values["image"] and isinstance(values["image"], str | os.PathLike):
        values["image"] = images.digest(values["image"])
    values["loras"] = lora_titles(recipe.loras)
    values["enlarge"] = upscaler_record_name(recipe.enlarge)
    values["controls"] = tuple(
        controls.to_dict(control) if isinstance(control, Control) else control for control in recipe.controls
    )
    return {"version": FORMAT_VERSION} | values


def from_dict(values: Mapping[str, Any]) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with the settings in a mapping, and the names in the mapping that are unknown.

    The values are not validated. "version" counts as unknown if its value is not FORMAT_VERSION. Raise BadRecipe if
    `values` is not a mapping.
    """
    if not isinstance(values, Mapping):
        raise BadRecipe("recipe", errors.NOT_A_RECIPE)
    known = {name: value for name, value in values.items() if name in SETTINGS}
    unknown = [name for name in values if name not in SETTINGS]
    if values.get("version") == FORMAT_VERSION:
        unknown.remove("version")
    return Recipe(**known), tuple(unknown)

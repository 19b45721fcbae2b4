"""The recipe: all settings that determine an image. Needs neither torch nor a model.

Each field has a Setting (fields.py) with kind, range, label and help. The validation in checks.py, the page's
widgets, the API and the record in a PNG are derived from these Settings.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any

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
    # None and an empty text are different: None conditions the network on zeros where the model was trained so.
    negative: str | None = setting(None, "text", "Negative prompt", "What the picture should not show.")
    seed: int = setting(
        0, "integer", "Seed", "The same seed and settings give the same picture.", 0, MAX_SEED, 1
    )
    method: str = setting(
        "demofusion", "choice", "Method", "How the large picture is made.", choices=tuple(METHODS)
    )
    model: str = setting("", "text", "Model", "The model that draws.")
    width: int | None = setting(None, "integer", "Width", "Of the final picture, in px.", 1, MAX_SIDE, 8)
    height: int | None = setting(None, "integer", "Height", "Of the final picture, in px.", 1, MAX_SIDE, 8)
    scales: tuple[float, ...] = setting(
        (),
        "scales",
        "Stages",
        "The number of sizes, each larger than the one before. Every stage is kept; the last one takes the longest.",
    )
    steps: int | None = setting(
        None, "integer", "Steps", "Denoising steps of each stage. More: finer and slower.", 4, 100, 1
    )
    guidance: float | None = setting(
        None,
        "number",
        "Guidance scale (CFG)",
        "How closely the prompt is followed. Lower: freer, softer colours. Higher: more literal, harsher colours.",
        1,
        15,
        0.5,
    )
    guidance_rescale: float = setting(
        0.0, "number", "Guidance rescale", "Reduces the contrast that a high guidance scale adds.", 0, 1, 0.05
    )
    scheduler: str = setting(
        "", "choice", "Sampler", "How each denoising step is computed.", choices=("", "model", *SCHEDULERS)
    )
    alpha1: float = setting(
        3.0,
        "number",
        "Layout freedom (α₁)",
        "How early a stage departs from the smaller picture (skip residual). Lower: more faithful. Higher: freer.",
        0,
        5,
        0.1,
    )
    alpha2: float = setting(
        1.0,
        "number",
        "Overview fade (α₂)",
        "How early it stops seeing the whole picture (dilated sampling). Lower: fewer repeats. Higher: less grain.",
        0,
        5,
        0.1,
    )
    alpha3: float = setting(
        1.0,
        "number",
        "Smoothing fade (α₃)",
        "How early the Gaussian smoothing of the overview fades. Lower: softer. Higher: sharper, may look gritty.",
        0,
        5,
        0.1,
    )
    sigma1: float = setting(
        0.8,
        "number",
        "Smoothing start (σ₁)",
        "Smoothing of the overview at the start. Larger: softer, less grain. Smaller: crisper, a grid may show.",
        0,
        2,
        0.05,
    )
    sigma2: float = setting(
        0.008,
        "number",
        "Smoothing end (σ₂)",
        "Smoothing of the overview at the end. Below 0.25 nothing changes; raise it if a grid remains.",
        0,
        1,
        0.001,
    )
    stride: int | None = setting(
        None,
        "integer",
        "Window step (stride)",
        "Distance between windows, in latent cells. Smaller: smoother joins, slower. Larger: faster, may show seams.",
        1,
        128,
        1,
    )
    progressive: bool = setting(
        True, "flag", "Grow in stages", "Off: only the first and the last size are made."
    )
    skip_residual: bool = setting(
        True,
        "flag",
        "Follow the smaller picture",
        "Skip residual. Off: the smaller picture is used only for a stage's first noise.",
    )
    dilated: bool = setting(
        True,
        "flag",
        "Use the overview",
        "Dilated sampling. Off: windows only, and the subject may appear several times.",
    )
    jitter: bool = setting(
        True, "flag", "Jitter windows", "Shifts the windows at random at every step, which hides seams."
    )
    feather: bool = setting(
        True, "flag", "Feather window edges", "Blends the windows smoothly, which hides seams."
    )
    kernel: str = setting(
        "paper",
        "choice",
        "Smoothing width",
        "The width of the smoothing filter at scale s, which differs between the paper and its code.",
        choices=("paper", "code"),
    )
    lattice: str = setting(
        "v",
        "choice",
        "Overview blend",
        "v keeps the noise level correct without the skip residual; raw is as published.",
        choices=("v", "raw"),
    )
    economy: float = setting(
        0.005,
        "number",
        "Skip negligible work",
        "Skips work of which less than this share remains in the result. Larger: faster. 0: skips nothing.",
        0,
        0.1,
        0.005,
    )
    image: str | None = setting(None, "picture", "Start picture", "A picture to enlarge.")
    fidelity: float = setting(
        0.5,
        "number",
        "Stay close to my picture",
        "0: a new picture with its layout. 1: the same picture with finer detail.",
        0,
        1,
        0.05,
    )
    controls: tuple[Control, ...] = setting(
        (), "controls", "Follow a picture", "Pictures whose edges, depth or pose the new picture follows."
    )
    loras: tuple[Any, ...] = setting(
        (), "loras", "LoRAs", "Small additions to the model, each with its strength."
    )
    enlarge: str = setting(
        "",
        "upscaler",
        "Enlarge with",
        "What enlarges the smaller picture at the start of a stage: interpolation of its latent, or an upscaler.",
    )
    options: tuple[tuple[str, Any], ...] = setting(
        (), "options", "Options", "Settings that only some methods use."
    )
    faithful: bool = setting(
        False,
        "flag",
        "Exactly as published",
        "Repeats the authors' code, errors included. Overrides window edges, smoothing width and skipped work.",
    )
    view_batch: int | None = setting(
        None,
        "integer",
        "Views per batch",
        "Larger: faster if there is enough memory. The picture stays the same.",
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


if TYPE_CHECKING:

    class ResolvedRecipe(Recipe):
        """A recipe with every empty field filled, as `resolve_recipe` returns it. Only type checkers see this class."""

        width: int
        height: int
        steps: int
        guidance: float
        stride: int
else:
    ResolvedRecipe = Recipe


# The Setting of each field of a recipe, by name.
SETTINGS: dict[str, Setting] = collect_settings(Recipe)
# The recipe in which every setting has its default.
DEFAULTS = Recipe()
# The version of the defaults of settings and models. Links and records contain it, because they leave out settings at
# their defaults. Raise it when a default changes, and let older versions be read with the defaults of their time.
# A link or record without a version has version 1.
DEFAULTS_VERSION = 1


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

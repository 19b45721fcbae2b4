"""The rows of the table of methods: how each of them is asked for a picture, and at which sizes."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from engine.catalogue.upscalers import has_upscaler
from engine.recipe.recipe import SETTINGS


@dataclass(frozen=True)
class Preset:
    """A row of the table: a method with its settings."""

    # As it is named in the table.
    title: str
    # Fields of the recipe; the model's own for all others.
    settings: dict[str, Any] = field(default_factory=dict)
    # Whether the stages between the base and the last one are left to the engine, which then takes the published ones.
    own_scales: bool = False


@dataclass(frozen=True)
class PictureSize:
    """A size of the pictures in the table."""

    # In px.
    height: int
    width: int
    # The scales of the stages.
    scales: tuple[float, ...]


# The sizes by name, width first, as on the page. The native side is 256 px.
SIZES = {
    "512": PictureSize(512, 512, (1.0, 2.0)),
    "1024x512": PictureSize(512, 1024, (1.0, 2.0, 2.83)),
    "1024": PictureSize(1024, 1024, (1.0, 2.0, 4.0)),
}
# The rows of true pictures, by name.
FLOORS = {"true-placed": "true, placed otherwise", "true-vae": "true, through the VAE"}
# The row to which all others are compared.
OURS = "ours"
PRESETS = {
    "direct": Preset("direct inference", {"method": "direct"}),
    "attention": Preset("attention temperature", {"method": "attention"}),
    "multidiffusion": Preset("MultiDiffusion", {"method": "multidiffusion"}),
    "sdedit": Preset("SDEdit", {"method": "sdedit"}),
    "scalecrafter": Preset("ScaleCrafter", {"method": "scalecrafter"}),
    "hidiffusion": Preset("HiDiffusion", {"method": "hidiffusion"}),
    "relay": Preset("Relay Diffusion (transfer)", {"method": "relay"}),
    "lanczos": Preset("base + Lanczos", {"method": "upscaler", "enlarge": "lanczos"}),
    "realesrgan": Preset("base + Real-ESRGAN", {"method": "upscaler", "enlarge": "realesrgan"}),
    "upscaler": Preset("base + learned upscaler", {"method": "upscaler", "enlarge": "postcards"}),
    "published": Preset(
        "DemoFusion as published", {"faithful": True, "scheduler": "ddim", "steps": 50}, own_scales=True
    ),
    OURS: Preset("DemoFusion (ours)"),
    "no-residual": Preset("ours without skip residual", {"skip_residual": False}),
    "no-dilated": Preset("ours without dilated sampling", {"dilated": False}),
    "not-progressive": Preset("ours without stages between", {"progressive": False}),
    "bare-windows": Preset("ours with bare windows", {"jitter": False, "feather": False}),
}

# Ours with one of its parts left out.
ABLATIONS = ("no-residual", "no-dilated", "not-progressive", "bare-windows")


def find_preset(name: str) -> Preset:
    """Return the preset of a name, which may end with settings, as in "ours+stride=48+options.placed=true".

    Values are JSON, or else text. Raise ValueError if there is no such preset.
    """
    base, *changes = name.split("+")
    if base not in PRESETS:
        raise ValueError(f"there is no preset {base!r}")
    preset = PRESETS[base]
    settings, titles = dict(preset.settings), [preset.title]
    for change in changes:
        field_name, equals, text = change.partition("=")
        option = field_name.removeprefix("options.")
        if not equals or (option == field_name and field_name not in SETTINGS):
            raise ValueError(f"{change!r} is no setting of a recipe with a value")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if option == field_name:
            settings[field_name] = value
        else:
            settings["options"] = settings.get("options", {}) | {option: value}
        titles.append(f"{option} {text}")
    return replace(preset, title=", ".join(titles), settings=settings)


def is_available(preset: Preset) -> bool:
    """Return whether everything that a preset needs is on this machine."""
    upscaler = preset.settings.get("enlarge")
    return upscaler is None or has_upscaler(upscaler)


def recipe_fields(preset: Preset, size: PictureSize) -> dict[str, Any]:
    """Return the fields of the recipe that draws a picture of this size, apart from prompt and seed."""
    scales = {} if preset.own_scales else {"scales": size.scales}
    return {"width": size.width, "height": size.height} | scales | preset.settings

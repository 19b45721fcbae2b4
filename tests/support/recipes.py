"""Hypothesis strategies that draw any valid recipe."""

from dataclasses import replace

from hypothesis import strategies as st

from engine import Recipe
from engine.catalogue.upscalers import upscaler_names
from engine.recipe.controls import CONTROL_SETTINGS, Control
from engine.recipe.options import OPTIONS, Options, changed_options
from engine.recipe.recipe import LATENT, SETTINGS

DIGEST = "sha256:" + "5e" * 32


def setting_values(setting):
    """Draw any value that a setting allows."""
    kinds = {
        "text": st.text(st.characters(codec="utf-8"), max_size=80),
        "number": st.floats(setting.low, setting.high) if setting.kind == "number" else None,
        "integer": st.integers(setting.low, setting.high) if setting.kind == "integer" else None,
        "flag": st.booleans(),
        "choice": st.sampled_from(setting.choices) if setting.choices else None,
        "picture": st.just(DIGEST),
        "upscaler": st.sampled_from(("", LATENT, *upscaler_names())),
        "options": options() if setting.kind == "options" else None,
        "controls": st.lists(controls(), max_size=2).map(tuple) if setting.kind == "controls" else None,
        "numbers": st.lists(st.floats(setting.low, setting.high), max_size=3).map(tuple)
        if setting.kind == "numbers"
        else None,
        "scales": st.lists(st.floats(0.01, 32), max_size=6, unique=True).map(lambda s: tuple(sorted(s))),
    }
    some = kinds.get(setting.kind)
    if some is None:
        return st.just(None) if setting.optional else st.just(())
    return st.none() | some if setting.optional else some


def options():
    """Draw the settings that only some methods have, as a recipe stores them."""
    some = {name: setting_values(setting) for name, setting in OPTIONS.items()}
    return st.fixed_dictionaries({}, optional=some).map(lambda chosen: changed_options(Options(**chosen)))


def _control(chosen):
    low, high = sorted((chosen["low"], chosen["high"]))
    return Control(**chosen | {"low": low, "high": high, "net": ""})


def controls():
    """Draw controls whose images are named by their digests, with the catalogue's ControlNet."""
    known = {name: setting_values(setting) for name, setting in CONTROL_SETTINGS.items() if name != "net"}
    known |= {"image": st.just(DIGEST)}
    return st.fixed_dictionaries(known).map(_control)


RECIPES = (
    st.fixed_dictionaries({name: setting_values(setting) for name, setting in SETTINGS.items()})
    .map(lambda chosen: Recipe(**chosen))
    .map(lambda r: replace(r, sigma1=max(r.sigma1, r.sigma2), sigma2=min(r.sigma1, r.sigma2)))
)


def as_browser_sends(value):
    """Return a value as it arrives from a browser: whole numbers as floats, tuples as lists."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {name: as_browser_sends(each) for name, each in value.items()}
    return [as_browser_sends(v) for v in value] if isinstance(value, tuple) else float(value)

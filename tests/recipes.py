"""Recipes of every kind, for tests of what they survive."""

from dataclasses import replace

from hypothesis import strategies as st

from engine import Recipe
from engine.recipe import SETTINGS


def values(setting):
    """Every value that a setting takes."""
    kinds = {
        "text": st.text(st.characters(codec="utf-8"), max_size=80),
        "number": st.floats(setting.low, setting.high) if setting.kind == "number" else None,
        "integer": st.integers(setting.low, setting.high) if setting.kind == "integer" else None,
        "flag": st.booleans(),
        "choice": st.sampled_from(setting.choices) if setting.choices else None,
        "picture": st.just("sha256:" + "5e" * 32),
        "scales": st.lists(st.floats(0.01, 32), max_size=6, unique=True).map(lambda s: tuple(sorted(s))),
    }
    some = kinds.get(setting.kind)
    if some is None:
        return st.just(None) if setting.optional else st.just(())
    return st.none() | some if setting.optional else some


RECIPES = (
    st.fixed_dictionaries({name: values(setting) for name, setting in SETTINGS.items()})
    .map(lambda chosen: Recipe(**chosen))
    .map(lambda r: replace(r, sigma1=max(r.sigma1, r.sigma2), sigma2=min(r.sigma1, r.sigma2)))
)


def as_a_page_sends(value):
    """Sliders send whole numbers as floats, JSON has lists for tuples."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return [float(v) for v in value] if isinstance(value, tuple) else float(value)

"""Links: writes a recipe as the query of a URL, and reads it back.

A query may hold any text at all; reading it never raises.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

from engine.errors import BadRecipe
from engine.recipe.checks import check, check_value
from engine.recipe.options import OPTIONS
from engine.recipe.recall import MAX_UNKNOWN_NAMES
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe

# Characters of a link's query. Web servers refuse URLs of more than about eight thousand.
LONGEST_QUERY = 7000
# Characters of an unknown name that are shown, and of a number that are read.
LONGEST_NAME = 40
LONGEST_NUMBER = 40
# Parameters of a query that are read.
MOST_KEYS = 100
# Parameters that a Hugging Face Space adds to a URL. Gradio's own begin with two underscores, like __theme.
HOST_PARAMETERS = frozenset({"logs", "sign"})

# Settings that are not written as one parameter: files of this machine, and options, which have one each.
SETTINGS_NOT_IN_LINKS = frozenset({"image", "controls", "loras", "options"})
_LINK_SETTINGS = tuple(name for name in SETTINGS if name not in SETTINGS_NOT_IN_LINKS)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_SPACE = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class ParsedLink(NamedTuple):
    """The recipe that was read from a link."""

    recipe: Recipe
    # Names of the parameters that are unknown or have an unusable value.
    strange: tuple[str, ...] = ()


def recipe_to_query(recipe: Recipe) -> str:
    """Write the settings that differ from the defaults as a query: name=value&name=value."""
    return "&".join(_parameters(recipe).values())


def settings_left_out(recipe: Recipe) -> tuple[str, ...]:
    """Return the changed settings that the link cannot hold: pictures, and values too long or not valid."""
    in_link = {*_parameters(recipe), "options"}
    return tuple(name for name in SETTINGS if _differs(recipe, name) and name not in in_link)


def _differs(recipe: Recipe, name: str) -> bool:
    """Return whether a setting differs from its default."""
    return getattr(recipe, name) != getattr(DEFAULTS, name)


def _parameters(recipe: Recipe) -> dict[str, str]:
    """Return "name=value" for each setting and option that the link holds, within LONGEST_QUERY."""
    parameters: dict[str, str] = {}
    room = LONGEST_QUERY
    for name in _LINK_SETTINGS:
        try:
            value = check_value(name, getattr(recipe, name))
        except BadRecipe:
            continue
        parameter = _parameter(name, value)
        if value != getattr(DEFAULTS, name) and len(parameter) < room:
            parameters[name] = parameter
            room -= len(parameter) + 1
    for name, value in check_value("options", recipe.options):
        parameters[name] = _parameter(name, value)
    return parameters


def _parameter(name: str, value: Any) -> str:
    """Write one parameter of a query: "name=value"."""
    return f"{name}={quote_plus(_text(value))}"


def _text(value: Any) -> str:
    """Write the value of a setting: flags as 1 and 0, lists with commas."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def recipe_from_query(values: Mapping[str, str]) -> ParsedLink:
    """Read the recipe of a link's query. Unknown names and unusable values are skipped and listed."""
    recipe = DEFAULTS
    strange: list[str] = []
    for name, text in islice(values.items(), MOST_KEYS):
        if name not in (*_LINK_SETTINGS, *OPTIONS):
            if not _is_host_parameter(name):
                strange.append(name)
            continue
        try:
            recipe = replace(recipe, **_read_field(recipe, name, text))
        except (BadRecipe, ValueError):
            strange.append(name)
    try:
        check(recipe)
    except BadRecipe:  # Each value is within its range, but these two do not go together.
        recipe = replace(recipe, sigma1=DEFAULTS.sigma1, sigma2=DEFAULTS.sigma2)
        strange += ["sigma1", "sigma2"]
    unique = dict.fromkeys(strange)
    return ParsedLink(recipe, tuple(_printable_name(name) for name in unique)[:MAX_UNKNOWN_NAMES])


def _read_field(recipe: Recipe, name: str, text: str) -> dict[str, Any]:
    """Return the field of the recipe that one parameter of a link changes; an option joins the others."""
    if name in OPTIONS:
        pairs = (*recipe.options, (name, _read_value(OPTIONS[name].kind, text)))
        return {"options": check_value("options", pairs)}
    return {name: check_value(name, _read_value(SETTINGS[name].kind, text))}


def _is_host_parameter(name: Any) -> bool:
    """Return whether a parameter was added by the Space or by Gradio."""
    return isinstance(name, str) and (name.startswith("__") or name in HOST_PARAMETERS)


def _printable_name(name: Any) -> str:
    """Return an unknown name as it can be shown: shortened, without unprintable characters."""
    text = "".join(c if c.isprintable() else "�" for c in str(name)[: LONGEST_NAME + 1])
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _read_value(kind: str, text: Any) -> Any:
    """Read the value of a setting of this kind; ValueError if the text cannot be one."""
    if not isinstance(text, str):
        raise ValueError
    if kind in ("text", "choice"):
        return text
    if kind == "flag":
        return {"1": True, "0": False}.get(text)
    if kind == "scales":
        return tuple(_read_number(part) for part in text.split(",")) if text else ()
    return _read_number(text)


def _read_number(text: str) -> float:
    """Read a number of plain digits; Python alone would also accept 1_0, nan, and digits of every script."""
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def recipe_url(recipe: Recipe, request_url: str, space_id: str | None) -> str:
    """Return the URL that opens this recipe, on the Space's page or else on the requesting page."""
    query = recipe_to_query(recipe)
    page = _space_url(space_id) or _page_url(request_url)
    return f"{page}?{query}" if query else page


def _space_url(space_id: str | None) -> str:
    """Return the URL of a Space's page; empty without a valid id."""
    if not space_id or not _SPACE.fullmatch(space_id):
        return ""
    return f"https://huggingface.co/spaces/{quote(space_id)}"


def _page_url(url: str) -> str:
    """Return the URL of the page without query, fragment, user name, password and Gradio's endpoint."""
    try:
        scheme, netloc, path, _, _ = urlsplit(url)
    except ValueError:
        return ""
    if scheme not in ("http", "https"):
        return ""
    path = path.split("/gradio_api/")[0] or "/"
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", ""))

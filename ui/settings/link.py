"""Links: a recipe written as the query of a URL, and read back.

A query may hold any text; reading a query never raises.
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
from engine.recipe.recipe import DEFAULTS, DEFAULTS_VERSION, SETTINGS, Recipe

# A link's query has at most this many characters. Web servers refuse URLs of more than about eight thousand.
MAX_QUERY_LENGTH = 7000
# The name of an unknown parameter is shown with at most this many characters.
MAX_NAME_LENGTH = 40
# A number in a link is read if it has at most this many characters.
MAX_NUMBER_LENGTH = 40
# At most this many parameters of a query are read.
MAX_PARAMETERS = 100
# Parameters that a Hugging Face Space adds to a URL. Gradio's own begin with two underscores, like __theme.
HOST_PARAMETERS = frozenset({"logs", "sign"})
# The parameter with the version of the defaults, which all settings have that a link lacks.
DEFAULTS_PARAMETER = "defaults"

# Settings that have no parameter of their name: images, controls and LoRAs, which are files of this machine,
# and options, because each option is a parameter of its own.
SETTINGS_NOT_IN_LINKS = frozenset({"image", "controls", "loras", "options"})
# Settings that have a parameter of their name.
_LINK_SETTINGS = tuple(name for name in SETTINGS if name not in SETTINGS_NOT_IN_LINKS)
# A number in plain digits: "3", "-0.5", "1e-3".
_NUMBER_PATTERN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# A number without decimals and exponent.
_WHOLE_NUMBER_PATTERN = re.compile(r"[+-]?\d+", re.ASCII)
# The id of a Hugging Face Space: "owner/name".
_SPACE_ID_PATTERN = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class ParsedLink(NamedTuple):
    """The result of reading a link."""

    # The recipe in the link; settings that the link lacks have their defaults.
    recipe: Recipe
    # Names of the parameters that are unknown or have an unusable value.
    strange: tuple[str, ...] = ()


def recipe_to_query(recipe: Recipe) -> str:
    """Return the settings that differ from the defaults as a query: "name=value&name=value"."""
    return "&".join(_query_parameters(recipe).values())


def settings_left_out(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of settings that differ from the defaults and that the recipe's link does not hold.

    They are settings whose values are files of this machine, too long, or invalid.
    """
    in_link = {*_query_parameters(recipe), "options"}
    return tuple(name for name in SETTINGS if _differs_from_default(recipe, name) and name not in in_link)


def _differs_from_default(recipe: Recipe, name: str) -> bool:
    """Return whether a setting differs from its default."""
    return getattr(recipe, name) != getattr(DEFAULTS, name)


def _query_parameters(recipe: Recipe) -> dict[str, str]:
    """Return "name=value" by name for each setting and option in the recipe's link.

    A setting that would make the query longer than MAX_QUERY_LENGTH is left out.
    """
    parameters: dict[str, str] = {}
    characters_left = MAX_QUERY_LENGTH
    for name in _LINK_SETTINGS:
        try:
            value = check_value(name, getattr(recipe, name))
        except BadRecipe:
            continue
        parameter = _format_parameter(name, value)
        if value != getattr(DEFAULTS, name) and len(parameter) < characters_left:
            parameters[name] = parameter
            characters_left -= len(parameter) + 1
    for name, value in check_value("options", recipe.options):
        parameters[name] = _format_parameter(name, value)
    return parameters


def _format_parameter(name: str, value: object) -> str:
    """Return one parameter of a query: "name=value"."""
    return f"{name}={quote_plus(_format_value(value))}"


def _format_value(value: object) -> str:
    """Return the value of a setting as a link holds it: flags as 1 and 0, lists with commas."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(map(_format_value, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def recipe_from_query(values: Mapping[str, str]) -> ParsedLink:
    """Return the recipe in a link's query, with the names of parameters that cannot be used.

    values: text of each parameter by name.
    """
    recipe = DEFAULTS
    strange: list[str] = []
    for name, text in islice(values.items(), MAX_PARAMETERS):
        if name not in (*_LINK_SETTINGS, *OPTIONS):
            if not _is_host_parameter(name) and not _names_known_defaults(name, text):
                strange.append(name)
            continue
        try:
            recipe = replace(recipe, **_read_field(recipe, name, text))
        except (BadRecipe, ValueError):
            strange.append(name)
    try:
        check(recipe)
    except BadRecipe:  # Each value is within its range, but sigma1 must not be less than sigma2.
        recipe = replace(recipe, sigma1=DEFAULTS.sigma1, sigma2=DEFAULTS.sigma2)
        strange += ["sigma1", "sigma2"]
    unique = dict.fromkeys(strange)
    return ParsedLink(recipe, tuple(_printable_name(name) for name in unique)[:MAX_UNKNOWN_NAMES])


def _read_field(recipe: Recipe, name: str, text: str) -> dict[str, Any]:
    """Return the field of the recipe that a link's parameter changes, with its new value.

    An option is added to the recipe's other options.
    """
    if name in OPTIONS:
        pairs = (*recipe.options, (name, _read_value(OPTIONS[name].kind, text)))
        return {"options": check_value("options", pairs)}
    return {name: check_value(name, _read_value(SETTINGS[name].kind, text))}


def _is_host_parameter(name: object) -> bool:
    """Return whether a parameter was added to the URL by a Hugging Face Space or by Gradio."""
    return isinstance(name, str) and (name.startswith("__") or name in HOST_PARAMETERS)


def _names_known_defaults(name: object, text: str) -> bool:
    """Return whether a parameter is a version of the defaults that is known."""
    return name == DEFAULTS_PARAMETER and text in map(str, range(1, DEFAULTS_VERSION + 1))


def _printable_name(name: object) -> str:
    """Return the name of an unknown parameter shortened for display, without unprintable characters."""
    text = "".join(c if c.isprintable() else "�" for c in str(name)[: MAX_NAME_LENGTH + 1])
    return text if len(text) <= MAX_NAME_LENGTH else text[:MAX_NAME_LENGTH] + "…"


def _read_value(kind: str, text: object) -> Any:
    """Return the value that a parameter's text means for a setting of this kind; raise ValueError if none."""
    if not isinstance(text, str):
        raise ValueError
    if kind in ("text", "choice", "upscaler"):
        return text
    if kind == "flag":
        return {"1": True, "0": False}.get(text)
    if kind in ("scales", "numbers"):
        return tuple(_read_number(part) for part in text.split(",")) if text else ()
    return _read_number(text)


def _read_number(text: str) -> float:
    """Return the number in a text of plain digits; raise ValueError for any other text.

    Python's int and float would also accept 1_0, nan, and digits of other scripts.
    """
    if len(text) > MAX_NUMBER_LENGTH or not _NUMBER_PATTERN.fullmatch(text):
        raise ValueError
    return int(text) if _WHOLE_NUMBER_PATTERN.fullmatch(text) else float(text)


def recipe_url(recipe: Recipe, request_url: str, space_id: str | None) -> str:
    """Return the URL that opens the page with this recipe. It contains the version of the defaults.

    request_url: the URL under which a browser reaches the page; used outside of a Space.
    space_id: the id of the Hugging Face Space that hosts the app, like "owner/name"; None outside of a Space.
    """
    query = recipe_to_query(recipe)
    if query:
        query += f"&{DEFAULTS_PARAMETER}={DEFAULTS_VERSION}"
    page = _space_url(space_id) or _page_url(request_url)
    return f"{page}?{query}" if query else page


def _space_url(space_id: str | None) -> str:
    """Return the URL of a Hugging Face Space's page; empty without a valid id."""
    if not space_id or not _SPACE_ID_PATTERN.fullmatch(space_id):
        return ""
    return f"https://huggingface.co/spaces/{quote(space_id)}"


def _page_url(url: str) -> str:
    """Return a URL without query, fragment, user name, password and Gradio's endpoint.

    Return an empty text if the URL is not valid or its scheme is neither http nor https.
    """
    try:
        scheme, netloc, path, _, _ = urlsplit(url)
    except ValueError:
        return ""
    if scheme not in ("http", "https"):
        return ""
    path = path.split("/gradio_api/")[0] or "/"
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", ""))

"""A recipe as the query of a link, and back. What comes in may be anything; nothing here raises for it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

from engine.errors import BadRecipe
from engine.recipe.checks import check, check_value
from engine.recipe.options import OPTIONS
from engine.recipe.recall import NAMED
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe

LONGEST_QUERY = 7000
"""Characters of a link's query; web servers refuse addresses of more than about eight thousand."""
LONGEST_NAME, LONGEST_NUMBER, MOST_KEYS = 40, 40, 100
HOST_PARAMETERS = frozenset({"logs", "sign"})
"""What a Space adds to an address by itself; Gradio's own keys begin with two lines, as __theme."""

SETTINGS_NOT_IN_LINKS = frozenset({"image", "controls", "loras", "options"})
"""What a link does not hold so: files of this machine, what leads to them, what has names of its own."""
_CARRIED = tuple(name for name in SETTINGS if name not in SETTINGS_NOT_IN_LINKS)
"""Settings under their own names; options are too, each by itself."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_SPACE = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class ParsedLink(NamedTuple):
    """The recipe of a link, and the names of what could not be understood in it."""

    recipe: Recipe
    strange: tuple[str, ...] = ()


def recipe_to_query(recipe: Recipe) -> str:
    """The fields that differ from the defaults, by name, as name=value&name=value."""
    return "&".join(_written(recipe).values())


def settings_left_out(recipe: Recipe) -> tuple[str, ...]:
    """Changed fields that the link does not hold: pictures, what is too long, what is not valid."""
    written = _written(recipe)
    return tuple(name for name in SETTINGS if _differs(recipe, name) and name not in (*written, "options"))


def _differs(recipe: Recipe, name: str) -> bool:
    return getattr(recipe, name) != getattr(DEFAULTS, name)


def _written(recipe: Recipe) -> dict[str, str]:
    """name=value for each field that a link carries, as long as there is room."""
    written: dict[str, str] = {}
    room = LONGEST_QUERY
    for name in _CARRIED:
        try:
            value = check_value(name, getattr(recipe, name))
        except BadRecipe:
            continue
        part = f"{name}={quote_plus(_text(value))}"
        if value != getattr(DEFAULTS, name) and len(part) < room:
            written[name] = part
            room -= len(part) + 1
    options = check_value("options", recipe.options)
    return written | {name: f"{name}={quote_plus(_text(value))}" for name, value in options}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def recipe_from_query(values: Mapping[str, str]) -> ParsedLink:
    """The recipe in a link's query. Unknown names and unusable values are skipped and named."""
    recipe, strange = DEFAULTS, []
    for name, text in islice(values.items(), MOST_KEYS):
        if name not in (*_CARRIED, *OPTIONS):
            if not _is_the_hosts(name):
                strange.append(name)
            continue
        try:
            recipe = replace(recipe, **_field(recipe, name, text))
        except (BadRecipe, ValueError):
            strange.append(name)
    try:
        check(recipe)
    except BadRecipe:  # Each is within its range, and the two do not go together.
        recipe = replace(recipe, sigma1=DEFAULTS.sigma1, sigma2=DEFAULTS.sigma2)
        strange += ["sigma1", "sigma2"]
    return ParsedLink(recipe, tuple(map(_named, dict.fromkeys(strange)))[:NAMED])


def _field(recipe: Recipe, name: str, text: str) -> dict[str, Any]:
    """The field of a recipe that a name and its text in a link stand for."""
    if name in OPTIONS:
        pairs = (*recipe.options, (name, _read(OPTIONS[name].kind, text)))
        return {"options": check_value("options", pairs)}
    return {name: check_value(name, _read(SETTINGS[name].kind, text))}


def _is_the_hosts(name: Any) -> bool:
    return isinstance(name, str) and (name.startswith("__") or name in HOST_PARAMETERS)


def _named(name: Any) -> str:
    """A name that is fit to be told: printable, and not long."""
    text = "".join(c if c.isprintable() else "�" for c in str(name)[: LONGEST_NAME + 1])
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _read(kind: str, text: Any) -> Any:
    """The value in a text, ValueError if it cannot be one of this kind."""
    if not isinstance(text, str):
        raise ValueError
    if kind in ("text", "choice"):
        return text
    if kind == "flag":
        return {"1": True, "0": False}.get(text)
    if kind == "scales":
        return tuple(_number(part) for part in text.split(",")) if text else ()
    return _number(text)


def _number(text: str) -> float:
    """Plain digits only: Python would also take 1_0, nan, and digits of every script."""
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def recipe_url(recipe: Recipe, request_url: str, space_id: str | None) -> str:
    """Where the recipe opens: the Space's own page, or the page that asked, without what its address held."""
    query = recipe_to_query(recipe)
    page = _page_of_space(space_id) or _page_of(request_url)
    return f"{page}?{query}" if query else page


def _page_of_space(space_id: str | None) -> str:
    if not space_id or not _SPACE.fullmatch(space_id):
        return ""
    return f"https://huggingface.co/spaces/{quote(space_id)}"


def _page_of(url: str) -> str:
    """The address alone: no query, no fragment, no name and password, no endpoint of Gradio's."""
    try:
        scheme, netloc, path, _, _ = urlsplit(url)
    except ValueError:
        return ""
    if scheme not in ("http", "https"):
        return ""
    path = path.split("/gradio_api/")[0] or "/"
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", ""))

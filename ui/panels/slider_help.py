"""The line with the help on the slider that has the focus, and the values to which sliders are reset."""

import json
from dataclasses import replace
from html import escape

from engine.catalogue.entries import Facts
from engine.recipe.quality import default_recipe
from ui.settings.widgets import widget_values
from ui.text import words


def slider_help_html(facts: Facts, method: str) -> str:
    """Return the line as HTML, with the default values of the model and the method for assets/web/sliders.js."""
    values = widget_values(replace(default_recipe(facts), method=method), facts)
    numbers = {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    defaults = escape(json.dumps({"scale_stages": numbers.pop("stages"), **numbers}))
    return f'<p class="slider-help" aria-hidden="true" data-defaults="{defaults}">{escape(words.SLIDERS_HELP)}</p>'

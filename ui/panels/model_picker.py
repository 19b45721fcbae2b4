"""The model picker at the top of the page: which model draws, on which device and why, and which others there are."""

from collections.abc import Iterable
from html import escape

from engine.catalogue.entries import Facts, ModelEntry, model_entries
from ui.panels.scripted_html import ScriptedHTML
from ui.session.services import Services
from ui.settings.widgets import model_title
from ui.text import words


class ModelPicker(ScriptedHTML):
    """The component of the model picker. Its event `act` carries the name of the chosen model."""

    script_file = "model_picker.js"


def model_picker_html(services: Services, model: str = "") -> str:
    """Return the picker as HTML, without any user input.

    model: the name of the model in use; empty for the first one in the catalogue.
    """
    label, details = _describe_state(services, model)
    present, offered = services.entry(model).name, services.pool.entries
    options = [_option(entry, entry.name == present) for entry in offered.values()]
    options += [_unavailable_option(entry) for entry in _other_models(offered)]
    about = f"<p>{escape(details)}</p>" if details else ""
    how = _how_to_use_others(services) if len(options) > len(offered) else ""
    return (
        f'<details><summary class="page-button"><span class="model">{escape(label)}</span> ▾</summary>'
        f'<div class="popover">{about}<ul role="listbox" aria-label="{escape(words.MODEL_LIST)}">'
        f"{''.join(options)}</ul>{how}</div></details>"
    )


def _describe_state(services: Services, model: str) -> tuple[str, str]:
    """Return a label with the model in use and its device, and sentences about them; "" without any."""
    pool, title = services.pool, services.entry(model).title
    if pool.is_loaded(model):
        facts = services.facts(model)
        place = facts.device if pool.is_on_gpu(model) else words.CPU_ONLY
        about = f"{_about_bundled_model(services, model)} {_number_format(facts)}".strip()
        return words.MODEL_LOADED.format(title=title, place=place), about
    reason = pool.load_error(model)
    if reason:
        return words.MODEL_FAILED.format(title=title), words.LOADING_FAILED_REASON.format(reason=reason)
    return words.MODEL_LOADING.format(title=title), ""


def _about_bundled_model(services: Services, model: str) -> str:
    """Return sentences on what the bundled model draws and why the app chose it; empty for other models."""
    vocabulary = services.entry(model).vocabulary
    if not vocabulary:
        return ""
    was_chosen_without_gpu = not model and not services.pool.is_on_gpu()
    text = words.WHY_SMALL_MODEL if was_chosen_without_gpu else words.ABOUT_BUNDLED_MODEL
    return text.format(count=len(vocabulary["subject"]))


def _number_format(facts: Facts) -> str:
    """Return sentences on a model's number format, and on offloading if parts of the model are offloaded."""
    precision = words.PRECISION_TITLES.get(facts.dtype, facts.dtype)
    text = words.NUMBER_FORMAT.format(precision=precision, dtype=facts.dtype)
    return f"{text} {words.MODEL_OFFLOADED}" if facts.offload else text


def _option(entry: ModelEntry, is_present: bool) -> str:
    """Return the list item of a model that can be chosen."""
    return (
        f'<li role="option" tabindex="{0 if is_present else -1}" aria-selected="{str(is_present).lower()}" '
        f'data-model="{escape(entry.name)}">{escape(model_title(entry))}</li>'
    )


def _unavailable_option(entry: ModelEntry) -> str:
    """Return the list item of a model that this app does not offer, with the reason."""
    reason = words.MODEL_NEEDS_GPU if entry.needs_gpu else words.MODEL_NOT_OFFERED
    return (
        '<li role="option" tabindex="-1" aria-selected="false" aria-disabled="true">'
        f"{escape(entry.title)}<small>{escape(reason)}</small></li>"
    )


def _other_models(offered: Iterable[str]) -> list[ModelEntry]:
    """Return the models of the catalogue that this app does not offer."""
    return [entry for entry in model_entries() if entry.name not in offered]


def _how_to_use_others(services: Services) -> str:
    """Return how the other models can be used: on a Space with a GPU, or at home."""
    text = ""
    if services.space:
        url = f"https://huggingface.co/spaces/{services.space}?duplicate=true"
        text = f'<p><a href="{escape(url)}" target="_blank" rel="noopener">{escape(words.DUPLICATE_SPACE)}</a></p>'
    commands = "".join(f"<code>{escape(command)}</code>" for command in words.RUN_AT_HOME_COMMANDS)
    return f'{text}<p>{escape(words.RUN_AT_HOME)}</p><p class="commands">{commands}</p>'

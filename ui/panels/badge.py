"""The badge at the top of the page: which model is loaded, on which device, and why the app chose this model."""

from html import escape

from engine.catalogue.entries import Facts
from ui.session.services import Services
from ui.text import words


def badge_html(services: Services, model: str = "") -> str:
    """Return the badge for a model as HTML, without any user input.

    model: the model's name; empty for the first one in the catalogue.
    """
    pool, title = services.pool, services.entry(model).title
    if pool.is_loaded(model):
        facts = services.facts(model)
        place = facts.device if pool.is_on_gpu(model) else words.CPU_ONLY
        details = f"{_about_bundled_model(services, model)} {_number_format(facts)}".strip()
        return _badge(f"● {words.BADGE_LOADED.format(title=title, place=place)}", details)
    reason = pool.load_error(model)
    if reason:
        return _badge(
            words.BADGE_FAILED.format(title=title), words.LOADING_FAILED_REASON.format(reason=reason)
        )
    return _badge(words.BADGE_LOADING.format(title=title))


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


def _badge(label: str, details: str = "") -> str:
    """Return the badge's HTML: a label, and details that a click unfolds, if there are any."""
    html = f'<span class="badge">{escape(label)}</span>'
    if details:
        html += f"<details><summary>{words.BADGE_WHY}</summary><p>{escape(details)}</p></details>"
    return html

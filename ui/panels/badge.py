"""The badge: which model is loaded, on which device, and why this one."""

from html import escape

from engine.catalogue.entries import Facts
from ui.session.services import Services
from ui.text import words


def badge_html(services: Services, model: str = "") -> str:
    """Return the badge as HTML. It holds nothing that a person typed in."""
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
    """Return what the bundled model can draw, and why it was chosen; empty for other models."""
    vocabulary = services.entry(model).vocabulary
    if not vocabulary:
        return ""
    was_chosen_without_gpu = not model and not services.pool.is_on_gpu()
    text = words.WHY_SMALL_MODEL if was_chosen_without_gpu else words.ABOUT_BUNDLED_MODEL
    return text.format(count=len(vocabulary["subject"]))


def _number_format(facts: Facts) -> str:
    """Return the model's dtype, and whether parts of it are offloaded to main memory."""
    precision = words.PRECISION_TITLES.get(facts.dtype, facts.dtype)
    text = words.NUMBER_FORMAT.format(precision=precision, dtype=facts.dtype)
    return f"{text} {words.MODEL_OFFLOADED}" if facts.offload else text


def _badge(label: str, details: str = "") -> str:
    """Return the badge's label, with details to unfold if there are any."""
    html = f'<span class="badge">{escape(label)}</span>'
    if details:
        html += f"<details><summary>{words.BADGE_WHY}</summary><p>{escape(details)}</p></details>"
    return html

"""Which model is at work, where and how it runs, and why. Nothing of a visitor's is in it."""

from html import escape

from engine.catalogue.entries import Facts
from ui.session.services import House
from ui.text import words


def badge_html(house: House, model: str = "") -> str:
    lender, title = house.lender, house.entry(model).title
    if lender.is_warm(model):
        facts = house.facts(model)
        place = facts.device if lender.on_gpu(model) else words.CPU_ONLY
        told = f"{_why_this(house, model)} {_how(facts)}".strip()
        return _badge(f"● {words.BADGE_LOADED.format(title=title, place=place)}", told)
    reason = lender.failed(model)
    if reason:
        return _badge(words.BADGE_FAILED.format(title=title), words.LOADING_FAILED_REASON.format(reason=reason))
    return _badge(words.BADGE_LOADING.format(title=title))


def _why_this(house: House, model: str) -> str:
    draws = house.entry(model).draws
    why = words.WHY_SMALL_MODEL if not (model or house.lender.on_gpu()) else words.ABOUT_BUNDLED_MODEL
    return why.format(count=len(draws["subject"])) if draws else ""


def _how(facts: Facts) -> str:
    """The number format, and whether its parts wait in main memory."""
    numbers = words.NUMBER_FORMAT.format(
        precision=words.PRECISION_TITLES.get(facts.dtype, facts.dtype), dtype=facts.dtype
    )
    return f"{numbers} {words.MODEL_OFFLOADED}" if facts.offload else numbers


def _badge(said: str, told: str = "") -> str:
    more = f"<details><summary>{words.BADGE_WHY}</summary><p>{escape(told)}</p></details>" if told else ""
    return f'<span class="badge">{escape(said)}</span>{more}'

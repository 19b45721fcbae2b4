"""Which model is at work, where, and why. Nothing of a visitor's is in it."""

from html import escape

from ui import words
from ui.house import House


def badge(house: House) -> str:
    entry = house.entry
    if not house.lender.is_warm():
        return f'<span class="badge">{escape(words.BADGE_COLD.format(title=entry.title))}</span>'
    on_gpu = house.lender.on_gpu()
    place = house.facts.device if on_gpu else words.NO_GPU
    said = escape(words.BADGE_WARM.format(title=entry.title, place=place))
    why = words.WHY_IN_BOX if on_gpu else words.WHY_SMALL
    told = escape(why.format(count=len(entry.draws["subject"]))) if entry.draws else ""
    more = f"<details><summary>{words.WHY}</summary><p>{told}</p></details>" if told else ""
    return f'<span class="badge">● {said}</span>{more}'

"""The parts of the page's head and its headings that never change, as HTML without any user input."""

from html import escape

from ui.text import words

# The paper of the method that the app is about.
PAPER_URL = "https://arxiv.org/abs/2311.16973"


def title_html() -> str:
    """Return the title of the page with one line on what the app does."""
    return f'<div class="title"><h1>{escape(words.TITLE)}</h1><p>{escape(words.SUBTITLE)}</p></div>'


def page_tools_html() -> str:
    """Return the switch between light and dark, and the help on the whole page.

    assets/web/page.js makes the switch work.
    """
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in words.HELP)
    paper = f'<p><a href="{PAPER_URL}" target="_blank" rel="noopener">{escape(words.PAPER)}</a></p>'
    return (
        '<div class="page-tools">'
        f'<button type="button" class="page-button" id="theme-switch" aria-pressed="false" '
        f'title="{escape(words.DARK_THEME)}" aria-label="{escape(words.DARK_THEME)}">◐</button>'
        f'<details><summary class="page-button" title="{escape(words.HELP_BUTTON)}" '
        f'aria-label="{escape(words.HELP_BUTTON)}">?</summary>'
        f'<div class="popover">{paragraphs}{paper}</div></details></div>'
    )


def heading_html(text: str) -> str:
    """Return a heading within the settings."""
    return f"<h2>{escape(text)}</h2>"

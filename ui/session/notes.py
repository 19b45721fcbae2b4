"""Notes: lines of text with buttons, shown below the status line."""

from typing import Any

from ui.text import words

# The button that reverts the last change of settings that the page made.
UNDO_ACTION = {"do": "undo", "label": words.UNDO}


def make_note(text: str, *actions: dict[str, Any], kind: str = "note") -> dict[str, Any]:
    """Return a note as a JSON object for the page's script.

    actions: the buttons of the note: {"do": name of the action, "label": text, ...}.
    kind: determines the style and the position of the note.
    """
    return {"kind": kind, "text": text, "actions": list(actions)}

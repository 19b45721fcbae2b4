"""Notes: lines of text with buttons, shown below the status line."""

from typing import Any


def make_note(text: str, *actions: dict[str, Any], kind: str = "note") -> dict[str, Any]:
    """Return a note as a JSON object for the page's script.

    actions: the buttons of the note: {"do": name of the action, "label": text, ...}.
    kind: determines the style and the position of the note.
    """
    return {"kind": kind, "text": text, "actions": list(actions)}

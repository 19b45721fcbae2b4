"""Notes: lines of text with buttons, shown below the status line."""

from typing import Any


def make_note(text: str, *actions: dict[str, Any], kind: str = "note") -> dict[str, Any]:
    """Return a note as the browser's script takes it; kind chooses its style and place."""
    return {"kind": kind, "text": text, "actions": list(actions)}

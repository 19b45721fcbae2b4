"""The component of our own: status line, viewer, strip, comparison, earlier runs.

Its script lies in assets/web. No text ever goes through its template: the script makes nodes and sets their text.
"""

from typing import Any

import gradio as gr

from engine.paths import ASSETS

WEB = ASSETS / "web"
SCRIPTS = ("dom.js", "tiles.js", "viewer.js", "input.js", "compare.js", "strip.js", "stages.js")
STYLESHEET = WEB / "stages.css"
TEMPLATE = '<div class="st"></div>'


def read_scripts() -> str:
    return "\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)


class StagesPanel(gr.HTML):
    """value: what ui.panels.view.view makes. Its one event, act, carries {do: …}."""

    def __init__(self, value: dict[str, Any] | None = None, **more: Any) -> None:
        super().__init__(
            value=value, html_template=TEMPLATE, js_on_load=read_scripts(), apply_default_css=False, **more
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return value

    def preprocess(self, payload: Any) -> None:
        """What a browser says it shows is nobody's business."""

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}

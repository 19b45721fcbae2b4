"""The stages panel: a Gradio component with status line, viewer, strip of stages, comparison, earlier runs.

Its scripts lie in assets/web. No text is put into its HTML template: the scripts create elements and set
their text, so that text from people is never read as HTML.
"""

from typing import Any

import gradio as gr

from engine.paths import ASSETS

# The folder of all scripts and styles of the page.
WEB = ASSETS / "web"
# Scripts of the panel. They are concatenated and run as the body of one function, so that all share their
# names. The last one builds the panel.
SCRIPTS = (
    "dom.js",
    "tiles.js",
    "windows.js",
    "viewer.js",
    "input.js",
    "toolbar.js",
    "compare.js",
    "strip.js",
    "stages.js",
)
STYLESHEET = WEB / "stages.css"
TEMPLATE = '<div class="st"></div>'


def read_scripts() -> str:
    """Return the panel's scripts as one text."""
    return "\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)


class StagesPanel(gr.HTML):
    """The component. Its value comes from stages_panel_value; its event `act` carries a button's action."""

    def __init__(self, value: dict[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(
            value=value,
            html_template=TEMPLATE,
            js_on_load=read_scripts(),
            apply_default_css=False,
            **arguments,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the value unchanged; gr.HTML would make text of it."""
        return value

    def preprocess(self, payload: Any) -> None:
        """Return nothing: the value that a browser sends back is not read."""

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "object"}

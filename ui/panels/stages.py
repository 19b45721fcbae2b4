"""The stages panel: a Gradio component with status line, viewer, strip of stages, comparison, earlier runs.

The panel's scripts are in assets/web. No text is put into the panel's HTML template: the scripts create elements
and set their text, so that user input is never read as HTML.
"""

from typing import Any

import gradio as gr

from engine.paths import ASSETS

# The folder of all scripts and styles of the page.
WEB_FOLDER = ASSETS / "web"
# The panel's scripts. They are concatenated and run as the body of one function, so each can use the names of the
# others. The last script builds the panel.
PANEL_SCRIPTS = (
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
# The panel's styles.
STYLESHEET = WEB_FOLDER / "stages.css"
# The panel's HTML before the scripts have run.
HTML_TEMPLATE = '<div class="st"></div>'


def read_scripts() -> str:
    """Return the panel's scripts as one text."""
    return "\n".join((WEB_FOLDER / name).read_text(encoding="utf-8") for name in PANEL_SCRIPTS)


class StagesPanel(gr.HTML):
    """The component of the stages panel.

    Its value is made by stages_panel_value. Its event `act` carries the action of a pressed button.
    """

    def __init__(self, value: dict[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(
            value=value,
            html_template=HTML_TEMPLATE,
            js_on_load=read_scripts(),
            apply_default_css=False,
            **arguments,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the value unchanged, while gr.HTML would convert it to text."""
        return value

    def preprocess(self, payload: Any) -> None:
        """Return None, because handlers do not read the value that a browser sends back."""

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the component's value."""
        return {"type": "object"}

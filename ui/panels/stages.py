"""The stages panel: a Gradio component with status line, viewer, strip of stages, comparison, earlier runs.

The panel's scripts are the ES modules in assets/web/panel, which assets/web/load_panel.js imports. No text is put into
the panel's HTML template: the scripts create elements and set their text, so that user input is never read as HTML.
"""

from typing import Any

import gradio as gr

from engine.paths import ASSETS
from ui.panels.modules import main_module_for_browser

# The folder of all scripts and styles of the page.
WEB_FOLDER = ASSETS / "web"
# The script that imports the panel's modules; it holds one JavaScript function.
LOADER = WEB_FOLDER / "load_panel.js"
# The panel's styles.
STYLESHEET = WEB_FOLDER / "stages.css"
# The panel's HTML before the scripts have run.
HTML_TEMPLATE = '<div class="st"></div>'


def _script() -> str:
    """Return the script that Gradio runs when the panel is on the page. Gradio defines the four variables."""
    return f"({LOADER.read_text(encoding='utf-8')})(element, props, trigger, watch);"


class StagesPanel(gr.HTML):
    """The component of the stages panel.

    Its value is made by stages_panel_value. Its event `act` carries the action of a pressed button.
    """

    def __init__(self, value: dict[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(
            value=value,
            html_template=HTML_TEMPLATE,
            js_on_load=_script(),
            main=main_module_for_browser(),
            apply_default_css=False,
            **arguments,
        )

    # gr.HTML declares text, but passes on any value for its template.
    def postprocess(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, value: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Return the value unchanged, while gr.HTML would convert it to text."""
        return value

    def preprocess(self, payload: object) -> None:
        """Return None, because handlers do not read the value that a browser sends back."""

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the component's value."""
        return {"type": "object"}

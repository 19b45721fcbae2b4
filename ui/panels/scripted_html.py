"""HTML that the server makes anew at each change, with a script in the browser that sends events from it."""

from typing import Any, ClassVar

import gradio as gr

from engine.paths import ASSETS


class ScriptedHTML(gr.HTML):
    """The base class of HTML components with a script. Their event `act` carries what a person chose."""

    # The file in assets/web that holds the script: one JavaScript function of (element, trigger).
    script_file: ClassVar[str]

    def __init__(self, value: str = "", **arguments: Any) -> None:
        script = (ASSETS / "web" / self.script_file).read_text(encoding="utf-8")
        # Gradio builds the component anew from these arguments when a handler updates it.
        arguments.setdefault("js_on_load", f"({script})(element, trigger);")
        super().__init__(value, **arguments)

    def preprocess(self, payload: object) -> None:
        """Return None, because handlers do not read the value that a browser sends back."""

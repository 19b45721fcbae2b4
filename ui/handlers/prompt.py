"""Handlers of text boxes, random prompts and seeds, and the buttons that build a prompt from known words."""

import random
from collections.abc import Callable
from typing import Any

import gradio as gr

from engine.catalogue import vocabulary
from engine.recipe.recipe import MAX_SEED
from ui.handlers.base import Handlers
from ui.page import Outputs
from ui.text import words


class PromptHandlers(Handlers):
    """Handlers of what fills the text boxes and the seed."""

    def on_text_change(self, name: str) -> Callable[..., Outputs]:
        """Return the handler of one text box, which plans its new text.

        Text boxes report a change also when the page fills them, possibly before other widgets are filled.
        Such changes are known by their text and ignored.
        """

        def on_text(values: dict, request: gr.Request) -> Outputs:
            session, text = self.session(request, values), values.get(self.page.widgets[name])
            with session.lock:
                if session.widget_values.get(name) == text:
                    return self.no_update()
                return self.apply_change(values, request)

        return on_text

    def on_surprise(self, values: dict, request: gr.Request) -> Outputs:
        """Set a random prompt of words that the model knows, and a random seed."""
        known_words = self.services.entry(self.session(request, values).model).vocabulary
        if known_words:
            chosen = {kind: random.choice(choices) for kind, choices in known_words.items()}
            prompt = vocabulary.build_prompt(chosen)
        else:
            prompt = random.choice(words.SURPRISE_PROMPTS)
        return self._set_widgets(values, request, prompt=prompt, seed=random.randint(0, MAX_SEED))

    def on_new_seed(self, values: dict, request: gr.Request) -> Outputs:
        """Set a random seed."""
        return self._set_widgets(values, request, seed=random.randint(0, MAX_SEED))

    def on_word_choice(self, values: dict, request: gr.Request) -> Outputs:
        """Put a chosen word into the prompt, in place of the word of the same kind."""
        entry = self.services.entry(self.session(request, values).model)
        if not entry.vocabulary:  # The model was changed meanwhile.
            return self.no_update()
        prompt = values.get(self.page.widgets["prompt"])
        chosen = {kind: values.get(choices) for kind, choices in self.page.word_choices.items()}
        known = {kind: word for kind, word in chosen.items() if word in entry.vocabulary.get(kind, ())}
        text = prompt if isinstance(prompt, str) else ""
        return self._set_widgets(values, request, prompt=vocabulary.replace_words(text, known, entry))

    def _set_widgets(self, values: dict, request: gr.Request, **new: Any) -> Outputs:
        """Set some widgets by name and plan the result."""
        new_values = {self.page.widgets[name]: value for name, value in new.items()}
        updates = self.apply_change(values | new_values, request)
        return updates | {widget: gr.update(value=value) for widget, value in new_values.items()}

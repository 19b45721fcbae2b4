"""Event handlers for text boxes, random prompts, random seeds and the buttons that build a prompt from known words."""

import random
from collections.abc import Callable
from typing import Any

import gradio as gr

from engine.catalogue import vocabulary
from engine.recipe.recipe import MAX_SEED
from ui.handlers.base import Handlers
from ui.page import Outputs
from ui.panels.word_lists import chosen_words
from ui.text import words


class PromptHandlers(Handlers):
    """Handlers of the events that change the text boxes or the seed."""

    def on_text_change(self, name: str) -> Callable[..., Outputs]:
        """Return the handler for changes of one text box.

        A text box reports a change also when the server fills it. The handler ignores such a change: the new text is
        the one in session.widget_values.

        name: the name of the text box.
        """

        def on_text(values: dict, request: gr.Request) -> Outputs:
            session, text = self.session(request, values), values.get(self.page.widgets[name])
            with session.lock:
                if session.widget_values.get(name) == text:
                    return self.no_update()
                return self.apply_change(values, request)

        return on_text

    def on_surprise(self, values: dict, request: gr.Request) -> Outputs:
        """Fill in a random prompt of words that the model knows, and a random seed."""
        known_words = self.services.entry(self.session(request, values).model).vocabulary
        if known_words:
            chosen = {kind: random.choice(choices) for kind, choices in known_words.items()}
            prompt = vocabulary.build_prompt(chosen)
        else:
            prompt = random.choice(words.SURPRISE_PROMPTS)
        return self._set_widgets(values, request, prompt=prompt, seed=random.randint(0, MAX_SEED))

    def on_new_seed(self, values: dict, request: gr.Request) -> Outputs:
        """Fill in a random seed."""
        return self._set_widgets(values, request, seed=random.randint(0, MAX_SEED))

    def on_word_choice(self, values: dict, request: gr.Request, event: gr.EventData) -> Outputs:
        """Put chosen words into the prompt. They replace the words of the same kinds, such as a colour."""
        entry = self.services.entry(self.session(request, values).model)
        chosen = chosen_words(event._data, entry)
        if not chosen:  # The model was changed meanwhile.
            return self.no_update()
        prompt = values.get(self.page.widgets["prompt"])
        text = prompt if isinstance(prompt, str) else ""
        present = {kind: word for kind, word in vocabulary.find_choices(text, entry).items() if word}
        prompt = vocabulary.replace_words(text, present | chosen, entry)
        return self._set_widgets(values, request, prompt=prompt)

    def _set_widgets(self, values: dict, request: gr.Request, **new: Any) -> Outputs:
        """Set widgets to new values, by name, plan the settings and return updates of the page."""
        new_values = {self.page.widgets[name]: value for name, value in new.items()}
        updates = self.apply_change(values | new_values, request)
        return updates | {widget: gr.update(value=value) for widget, value in new_values.items()}

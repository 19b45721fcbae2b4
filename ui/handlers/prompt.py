"""What is written into the page's texts: by a person, or by the page itself, by chance or by the builder."""

import random
from collections.abc import Callable
from typing import Any

import gradio as gr

from engine.catalogue import vocabulary
from engine.recipe.recipe import LARGEST_SEED
from ui.handlers.page import Handlers
from ui.page import Outputs
from ui.text import words


class Writing:
    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.house = handlers, handlers.house

    def worded(self, name: str) -> Callable[..., Outputs]:
        """The handler of a text that changed, also by being filled: then others may not be filled yet, and
        what the page stands for is known already."""

        def changed(given: dict, request: gr.Request) -> Outputs:
            visit, text = self.handlers.visit(request, given), given.get(self.handlers.page.controls[name])
            with visit.lock:
                if visit.written.get(name) == text:
                    return {self.handlers.page.stages: gr.skip()}
                return self.handlers.moved(given, request)

        return changed

    def surprised(self, given: dict, request: gr.Request) -> Outputs:
        """Another prompt and seed, from the words that the model knows."""
        draws = self.house.entry(self.handlers.visit(request, given).model).draws
        if draws:
            prompt = vocabulary.build_prompt({kind: random.choice(choices) for kind, choices in draws.items()})
        else:
            prompt = random.choice(words.SURPRISE_PROMPTS)
        return self._written(given, request, prompt=prompt, seed=random.randint(0, LARGEST_SEED))

    def reseeded(self, given: dict, request: gr.Request) -> Outputs:
        return self._written(given, request, seed=random.randint(0, LARGEST_SEED))

    def built(self, given: dict, request: gr.Request) -> Outputs:
        """A word of the sentence builder was chosen: it takes its place in the prompt."""
        entry = self.house.entry(self.handlers.visit(request, given).model)
        if not entry.draws:  # The model was changed meanwhile.
            return {self.handlers.page.stages: gr.skip()}
        prompt = given.get(self.handlers.page.controls["prompt"])
        picked = {kind: given.get(chip) for kind, chip in self.handlers.page.chips.items()}
        sound = {kind: word for kind, word in picked.items() if word in entry.draws.get(kind, ())}
        text = prompt if isinstance(prompt, str) else ""
        return self._written(given, request, prompt=vocabulary.replace_words(text, sound, entry))

    def _written(self, given: dict, request: gr.Request, **values: Any) -> Outputs:
        """Some controls set by the page itself."""
        controls = self.handlers.page.controls
        out = self.handlers.moved(given | {controls[name]: value for name, value in values.items()}, request)
        return out | {controls[name]: gr.update(value=value) for name, value in values.items()}

"""Event handlers for opening the page, changing settings, and starting, stopping and following a run."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import gradio as gr

from engine.catalogue import vocabulary
from engine.errors import Fault
from engine.recipe.effects import ineffective_settings
from engine.recipe.recipe import MAX_SEED
from ui.actions import restore, runs
from ui.actions.replan import current_notes, plan_settings, replan
from ui.handlers.base import Handlers
from ui.messages.status import describe_unknown_words, unknown_words_actions
from ui.page import Outputs, one_at_a_time
from ui.panels.stages_value import stages_panel_value
from ui.session.client import client_of
from ui.session.continuation import find_continuation, is_already_made
from ui.session.notes import make_note
from ui.session.session import Message, Session
from ui.settings import link
from ui.text import words

# How many pictures of the first stage are made to choose from.
CANDIDATES = 4


class PageHandlers(Handlers):
    """Handlers of the events that open the page, change settings, and start, stop and follow a run."""

    @one_at_a_time
    def on_load(self, stored: object, request: gr.Request) -> Outputs:
        """Fill a page that was opened or reloaded. stored: the values that the browser stored, or anything else."""
        session = self.session(request)
        session.is_restored = True
        try:
            parsed = link.recipe_from_query(dict(request.query_params or {}))
            restore.restore_session(
                session, self.services, stored if isinstance(stored, dict) else {}, parsed
            )
            session.notes = current_notes(session, self.services)
        except Fault as fault:
            session.show_message(fault.sentence, fault=True)
        is_faulty = session.message is not None and session.message.fault and session.plan is None
        return self.update_page(session, fill=not is_faulty) | self.update_model_picker(session)

    def on_change(self, values: dict, request: gr.Request) -> Outputs:
        """Plan the changed settings, and show the sizes and the time of a run with them."""
        return self.apply_change(values, request)

    @one_at_a_time
    def on_generate(self, values: dict, request: gr.Request) -> Outputs:
        """Start a run of the settings, or continue the run on display if it is incomplete and shows this picture.

        If a complete run of the same settings is on display, a new seed is drawn, unless the seed is kept.
        """
        if not self._is_filled(values, request):
            return self.no_update()
        session = self.session(request, values)
        if runs.is_run_active(session, self.services):
            return self.update_page(session)
        plan_settings(session, self.services, self.read_recipe(session, values))
        if session.plan is None:
            return self.update_page(session)
        refusal = self._prompt_problem(session)
        if refusal:
            session.announce(refusal)
            return self.update_page(session)
        continuation = find_continuation(session, self.services)
        if continuation:
            runs.continue_as_shown(session, self.services, continuation)
            return self.update_page(session)
        new_seed = None
        if is_already_made(session, self.services):
            if session.keeps_seed:
                session.show_message(words.SAME_PICTURE)
                return self.update_page(session)
            new_seed = random.randint(0, MAX_SEED)
            plan_settings(session, self.services, replace(session.recipe, seed=new_seed))
        if session.plan:
            runs.submit(session, self.services, session.recipe, session.plan, until=session.pause_after)
        if new_seed is None:
            return self.update_page(session)
        if runs.is_run_active(session, self.services):
            session.notes = (make_note(words.NEW_SEED_DRAWN.format(seed=new_seed)),)
        return self.update_page(session) | {self.page.widgets["seed"]: gr.update(value=new_seed)}

    @one_at_a_time
    def on_make_candidates(self, values: dict, request: gr.Request) -> Outputs:
        """Draw the first stage with the seed and with other seeds, for the person to choose one of the pictures."""
        if not self._is_filled(values, request):
            return self.no_update()
        session = self.plan_widgets(request, values)
        refusal = self._prompt_problem(session)
        if refusal and session.plan:
            session.announce(refusal)
        elif session.plan:
            runs.submit_candidates(session, self.services, candidate_seeds(session.recipe.seed))
        return self.update_page(session)

    @one_at_a_time
    def on_keep_seed(self, values: dict, request: gr.Request) -> Outputs:
        """Remember, also in the browser, whether Generate keeps the seed."""
        session = self.session(request, values)
        session.keeps_seed = values.get(self.page.keep_seed) is True
        return {self.page.browser_state: restore.browser_state(session, self.services)}

    def _is_filled(self, values: dict, request: gr.Request) -> bool:
        """Return whether the page had been filled when these values were sent; before, its settings are not its own."""
        stored = values.get(self.page.browser_state)
        return (request.session_hash or "") == (stored.get("page", "") if isinstance(stored, dict) else "")

    def _prompt_problem(self, session: Session) -> Message | None:
        """Return a message that says why the model cannot draw the prompt; None if the model can draw it."""
        prompt, entry = session.recipe.prompt, self.services.entry(session.model)
        if "prompt" in ineffective_settings(session.recipe):
            return None
        if not prompt.strip():
            return Message(words.PROMPT_EMPTY, fault=True)
        if vocabulary.has_vocabulary_word(prompt, entry):
            return None
        text = words.NOTHING_STARTED.format(reason=describe_unknown_words(prompt, entry))
        return Message(text, fault=True, actions=unknown_words_actions(entry))

    def on_stop(self, stored: object, request: gr.Request) -> Outputs:
        """Ask the run to stop that the page showed when Stop was pressed, if it is still active.

        stored: the values that the browser stores, with the name of that run under "active".
        """
        session = self.services.sessions.find(client_of(request))
        if session is None:
            return self.no_update()
        with session.lock:
            run, pressed = session.active_run, stored.get("active") if isinstance(stored, dict) else None
            together = session.candidates if run in session.candidates else (run,)
            if pressed in [each.name for each in together if each]:
                for each in together:
                    if each and self.services.is_active(each):
                        self.services.queue.stop(each.name)
                        each.is_stopping = True
            return {self.page.stages: stages_panel_value(session, self.services)}

    async def on_follow_run(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Update the page until its active run has ended, and after it the next candidates, if there are any.

        Do nothing if another event follows the run already.
        """
        session = self.services.sessions.find(client_of(request))
        run = session.active_run if session else None
        if session is None or run is None or session.followed_run is run:
            yield self.no_update()
            return
        while run is not None:
            session.followed_run = run
            try:
                async for _ in runs.follow_run(session, self.services, run):
                    if run.end is None:
                        yield await asyncio.to_thread(self.update_progress, session)
                yield await asyncio.to_thread(self._update_after_run, session)
            finally:
                is_replaced = session.followed_run is not run
                if not is_replaced:
                    session.followed_run = None
            following = session.active_run
            is_next = following is not None and run in session.candidates and following in session.candidates
            run = following if is_next and not is_replaced else None

    def _update_after_run(self, session: Session) -> Outputs:
        """Update the plan, because more stages are cached after a run, and return updates of the whole page."""
        with session.lock:
            replan(session, self.services)
            session.notes = current_notes(session, self.services)
            return self.update_page(session) | self.update_model_picker(session)


def candidate_seeds(seed: int) -> list[int]:
    """Return the seeds of the candidates: this one, and others at random."""
    return list(dict.fromkeys([seed, *random.sample(range(MAX_SEED), CANDIDATES)]))[:CANDIDATES]

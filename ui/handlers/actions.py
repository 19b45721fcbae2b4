"""Event handlers for the buttons of the stages panel, for dropped files, for exports and for the button "Defaults"."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.errors import Fault
from engine.recipe.quality import apply_quality, default_recipe, quality_names
from engine.recipe.recipe import Recipe
from ui.actions import dropped, runs
from ui.actions.replan import current_notes, set_recipe
from ui.handlers.base import Handlers
from ui.messages.status import checked_fit, describe_settings_used, example_prompt
from ui.messages.summaries import describe_differences
from ui.page import Outputs, Page, one_at_a_time
from ui.panels.exports import make_export, viewed_centre
from ui.panels.stages_value import stages_panel_value
from ui.session.client import client_of
from ui.session.notes import UNDO_ACTION, make_note
from ui.session.services import EXAMPLE, Services
from ui.session.session import (
    MAX_PENDING_EXPORTS,
    MAX_SESSIONS,
    MAX_SESSIONS_PER_ADDRESS,
    Session,
    SettingsChange,
    Trial,
)
from ui.session.turns import TooManyWaiting, Turns
from ui.settings.complaints import COMPLAINT_ADJUSTERS, adjust_for_complaint
from ui.settings.control_settings import reset_first_control
from ui.settings.looks import COMPLAINT_OF_LOOK, apply_look
from ui.text import formatting, words

# The example that is compared with another one, and that other one.
COMPARED_EXAMPLES = {"methods": EXAMPLE}
# Larger stage numbers from the browser are invalid, because no run has more stages.
MAX_STAGE_NUMBER = 99


class ActionHandlers(Handlers):
    """Handlers of the buttons of the stages panel, of dropped files and of exports.

    For a button of the stages panel the browser sends an action, {"do": name, ...}. The method do_<name> carries out
    the action and returns True if it has changed the settings. The other values of an action may be anything.
    """

    def __init__(self, services: Services, page: Page) -> None:
        super().__init__(services, page)
        self._export_turns = Turns("exports", 1, MAX_SESSIONS, MAX_SESSIONS_PER_ADDRESS)

    @one_at_a_time
    def on_action(self, values: dict, request: gr.Request, event: gr.EventData) -> Outputs:
        """Carry out the action that a button of the stages panel sent."""
        session = self.plan_widgets(request, values)
        action = event._data if isinstance(event._data, Mapping) else {}
        carry_out = getattr(self, f"do_{action.get('do')}", None)
        try:
            has_changed = bool(carry_out(session, action)) if carry_out else False
        except Fault as fault:
            session.show_message(fault.sentence, fault=True)
            has_changed = False
        updates = self.update_page(session, fill=has_changed)
        if action.get("do") in ("pictures", "example"):
            updates[self.page.stages] = stages_panel_value(session, self.services, with_all_pictures=True)
        return updates

    def do_stop_here(self, session: Session, action: Mapping[str, Any]) -> None:
        """Switch the pause after a stage on or off, for the active run if it is on display, else for the next run."""
        stage, run = _stage_number(action), session.active_run
        # The browser says which run it showed; another one may be on display by now.
        if run and (run is session.shown_run or run.name == action.get("run")):
            run.pause_after = None if run.pause_after == stage else stage
            self.services.queue.pause(run.name, run.pause_after)
        else:
            session.pause_after = None if session.pause_after == stage else stage
        session.message = None

    def do_grow(self, session: Session, action: Mapping[str, Any]) -> None:
        """Start a run with the present settings that continues from a finished stage."""
        folder, stage = self.services.run_folder(action.get("run"), session.owner), _stage_number(action)
        if folder is None or stage is None or session.plan is None:
            return
        if session.pause_after is not None and session.pause_after <= stage:
            session.pause_after = None
        resume = (str(folder), stage)
        runs.submit(session, self.services, session.recipe, session.plan, resume, session.pause_after)

    def do_continue(self, session: Session, action: Mapping[str, Any]) -> None:
        """Continue a run with the settings that the run was started with."""
        runs.continue_run(session, self.services, str(action.get("run")))

    def do_restart(self, session: Session, action: Mapping[str, Any]) -> None:
        """Start a run of the present settings that does not continue from the run on display."""
        if session.plan is not None:
            runs.submit(session, self.services, session.recipe, session.plan, until=session.pause_after)

    def do_example_prompt(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Fill in a prompt that the model knows. Return whether the model has a vocabulary."""
        entry = self.services.entry(session.model)
        if not entry.vocabulary:
            return False
        before = session.recipe
        set_recipe(session, self.services, replace(before, prompt=example_prompt(entry)))
        session.undoable_change = SettingsChange(before, session.recipe)
        session.message, session.notes = None, current_notes(session, self.services)
        return True

    def do_complain(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Change the settings to answer a complaint about the picture, and show buttons to try and to undo the change.

        Return whether the settings changed.
        """
        complaint = action.get("of")
        if not isinstance(complaint, str) or complaint not in COMPLAINT_ADJUSTERS or session.plan is None:
            return False
        adjusted = adjust_for_complaint(session.recipe, complaint, self.services.facts(session.model))
        if not adjusted.changes:
            session.notes = (make_note(words.NOTHING_LEFT_TO_CHANGE),)
            return False
        before = session.recipe
        set_recipe(session, self.services, adjusted.recipe)
        session.undoable_change = SettingsChange(before, session.recipe)
        text = words.COMPLAINT_CHANGES.format(
            complaint=words.COMPLAINT_LABELS[complaint],
            changes=describe_differences(before, session.recipe),
        )
        attempt = {"do": "try", "label": words.TRY_CHANGES.format(cost=self._cost_of_next_stage(session))}
        session.notes = (make_note(text, attempt, UNDO_ACTION, kind="nudge"),)
        session.message = None
        return True

    def _cost_of_next_stage(self, session: Session) -> str:
        """Return the size and the estimated time of the first stage that is not cached, such as " at 512 px · 10 s".

        Return "" if all stages are cached. The first stage counts only if the plan has no other stage.
        """
        if session.plan is None or session.cached_count >= len(session.plan.stages):
            return ""
        stage = session.plan.stages[max(session.cached_count, min(1, len(session.plan.stages) - 1))]
        seconds = self.services.pace.estimate([stage])
        about = "" if seconds is None else f" · {formatting.format_short_duration(seconds)}"
        return words.COST_OF_TRY.format(size=formatting.format_short_size(*stage.size), about=about)

    def do_try(self, session: Session, action: Mapping[str, Any]) -> None:
        """Start a run of the changed settings.

        The run ends after its first stage that is not cached, but not before the second stage.
        """
        if session.plan is None or runs.is_run_active(session, self.services):
            return
        count, before, change = len(session.plan.stages), session.shown_run, session.undoable_change
        session.pause_after = None if count <= 2 else max(2, min(session.cached_count + 1, count))
        runs.submit(session, self.services, session.recipe, session.plan, until=session.pause_after)
        if before and change and session.active_run and session.active_run is not before:
            stage_ids = {
                stage.number: stage.stage_id for stage in self.services.finished_stages(before.folder)
            }
            text = describe_differences(change.before, change.after)
            session.trial = Trial(session.active_run.name, before, stage_ids, change, text)
            session.undoable_change = change

    def do_keep(self, session: Session, action: Mapping[str, Any]) -> None:
        """Keep the settings that were tried, and end the comparison."""
        session.trial = session.undoable_change = None
        session.show_comparison()
        session.notes = current_notes(session, self.services)

    def do_undo(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Revert the last change of settings that the page made itself. Return whether there was one."""
        if session.undoable_change is None:
            return False
        set_recipe(session, self.services, session.undoable_change.revert(session.recipe))
        if session.trial and not runs.is_run_active(session, self.services):
            session.show_comparison()
            self._show_run(session, session.trial.before.name)
        elif session.undoable_change is session.example_change:
            session.show_comparison()
            self._show_run(session, session.previous_run.name if session.previous_run else EXAMPLE)
        session.trial = session.undoable_change = session.message = None
        session.notes = current_notes(session, self.services)
        return True

    def do_choose(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Show a candidate as the first stage, and use its seed. Return whether it has been drawn."""
        chosen = next((run for run in session.candidates if run.name == action.get("run")), None)
        stages = self.services.finished_stages(chosen.folder) if chosen else ()
        if chosen is None or not stages:
            return False
        for run in session.candidates:
            if self.services.is_active(run):
                self.services.queue.stop(run.name)
        session.candidates, session.active_run, session.message = (), None, None
        set_recipe(session, self.services, replace(session.recipe, seed=stages[0].recipe.seed))
        self._show_run(session, chosen.name)
        return True

    def do_fit(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Use the values that the message about refused settings offered. Return whether the values are valid."""
        fit = action.get("fit")
        checked = checked_fit(fit) if isinstance(fit, Mapping) else {}
        if not checked:
            return False
        set_recipe(session, self.services, replace(session.recipe, **checked))
        session.message = None
        return True

    def do_example(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Show an example and use its settings. Return whether there is an example of this name."""
        name, before = action.get("name"), session.recipe
        progress = self.services.run_progress(name, session.owner)
        if name not in words.EXAMPLE_TEXTS or progress is None or progress.plan is None:
            return False
        shown = session.shown_run
        if shown and shown.name not in self.services.examples:
            session.previous_run = shown
        self._show_run(session, name)
        set_recipe(session, self.services, progress.plan.recipe)
        session.undoable_change = session.example_change = SettingsChange(before, session.recipe)
        session.show_message(words.EXAMPLE_TEXTS[progress.name], UNDO_ACTION)
        other = self.services.examples.get(COMPARED_EXAMPLES.get(progress.name, ""))
        if other:
            pictures = (self.services.finished_stages(folder)[-1] for folder in (other, progress.folder))
            session.show_comparison(*(picture.stage_id for picture in pictures))
        elif session.comparison[1]:
            session.show_comparison()
        return True

    def do_look(self, session: Session, action: Mapping[str, Any]) -> None:
        """Show an earlier run without using its settings."""
        if self._show_run(session, action.get("run")):
            session.message = None
        else:
            session.show_message(words.RUN_NOT_FOUND, fault=True)

    def _show_run(self, session: Session, name: object) -> bool:
        """Put a run on display. Return whether the run still exists.

        name: the name of the run; any value from outside.
        """
        active = session.active_run
        is_active = active is not None and active.name == name
        progress = active if is_active else self.services.run_progress(name, session.owner)
        if progress is None:
            return False
        stages = self.services.finished_stages(progress.folder)
        session.show_run(progress, stages[-1].stage_id if stages else "")
        session.notes = current_notes(session, self.services)
        return True

    def do_use(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Use the settings of a run. Return whether the run was found."""
        progress = self.services.run_progress(action.get("run"), session.owner)
        if progress is None or progress.plan is None:
            session.show_message(words.RUN_NOT_FOUND, fault=True)
            return False
        recipe = progress.plan.recipe
        set_recipe(session, self.services, recipe)
        session.undoable_change, session.notes, session.message = None, (), None
        if not session.refusal:
            session.show_message(describe_settings_used(recipe, self.services, session.model))
        return True

    def do_forget(self, session: Session, action: Mapping[str, Any]) -> None:
        """Remove a run unless a run in the queue needs it. If it was on display, show the newest other run."""
        name = action.get("run")
        if not isinstance(name, str) or name not in session.own_runs:
            return
        owner = session.owner
        if not self.services.remove_run(name, owner) and self.services.run_folder(name, owner):
            session.show_message(words.RUN_IN_PROGRESS, fault=True)
            return
        session.show_message(words.RUN_FORGOTTEN)
        if not session.forget_run(name):
            return
        kept = (run for run in session.own_runs if self.services.run_folder(run, owner))
        other = next(kept, EXAMPLE)
        if self._show_run(session, other):
            is_example = other == EXAMPLE
            session.show_message(
                words.RUN_FORGOTTEN_SHOWING_EXAMPLE if is_example else words.RUN_FORGOTTEN_SHOWING_NEWEST
            )

    def do_offered(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Use the settings in the dropped file. Return whether the settings changed."""
        return dropped.use_dropped_settings(session, self.services)

    def do_enlarge(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Make the dropped image the start image, with only scales larger than the image.

        Return whether the settings changed.
        """
        return dropped.enlarge_image(session, self.services)

    def do_away(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Remove the start image. Return True, because the settings changed."""
        dropped.remove_start_image(session, self.services)
        return True

    def do_follow(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Make the dropped image the control image. Return whether the settings changed."""
        return dropped.use_dropped_image_as_control(session, self.services)

    def do_unfollow(self, session: Session, action: Mapping[str, Any]) -> bool:
        """Remove the first control. Return True, because the settings changed."""
        dropped.remove_control(session, self.services)
        return True

    def do_labelled(self, session: Session, action: Mapping[str, Any]) -> None:
        """Request an export of a run's picture with a caption. Later, on_make_export makes the export."""
        self._request_export(session, action, "labelled")

    def do_dive(self, session: Session, action: Mapping[str, Any]) -> None:
        """Request an export of a run's zoom film. Later, on_make_export makes the export."""
        self._request_export(session, action, "dive")

    def _request_export(self, session: Session, action: Mapping[str, Any], kind: str) -> None:
        """Add an export of a run to session.pending_exports.

        action: has the name of the run and the part of the picture that the viewer shows.
        kind: the kind of export, "labelled" or "dive".
        """
        run = action.get("run")
        if len(session.pending_exports) >= MAX_PENDING_EXPORTS:
            session.show_message(words.TOO_MANY_EXPORTS, fault=True)
        elif isinstance(run, str) and self.services.run_folder(run, session.owner):
            session.pending_exports.append((kind, run, viewed_centre(action.get("place"))))
            session.show_message(words.EXPORT_IN_PROGRESS)

    async def on_make_export(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Make the requested exports of a session one after another, and add to each run the link that downloads it.

        One export of all sessions is made at a time, and clients take turns.
        """
        session = self.services.sessions.find(client_of(request))
        if session is None or session.is_exporting:
            yield self.no_update()
            return
        session.is_exporting = True
        try:
            while session.pending_exports:
                yield await self._export_turns.run(session.client.key, self._make_oldest_export, session)
        except TooManyWaiting:
            session.pending_exports.clear()
            session.show_message(words.TOO_MANY_EXPORTS, fault=True)
            yield self.update_page(session)
            return
        finally:
            session.is_exporting = False
        yield self.no_update()

    def _make_oldest_export(self, session: Session) -> Outputs:
        """Make the export that a session requested first, and return updates of the page."""
        with session.lock:
            kind, run, centre = session.pending_exports.pop(0)
        export, fault = None, None
        try:  # Without the lock: an export takes seconds, and other handlers must not wait for it.
            export = make_export(self.services, kind, run, session.owner, centre)
        except Fault as refused:
            fault = refused
        with session.lock:
            message = session.message
            if fault:
                session.show_message(fault.sentence, fault=True)
            elif message and message.text == words.EXPORT_IN_PROGRESS and not session.pending_exports:
                session.message = None
            if export:
                session.exports[run, kind] = export
                if session.shown_run and session.shown_run.name == run:
                    session.show_message(words.EXPORT_READY.format(label=export["label"]))
            return self.update_page(session)

    async def on_drop_file(self, values: dict, request: gr.Request) -> Outputs:
        """Use a file that was chosen or dropped on the page, and empty the component for the next file.

        The session is locked only after the file has been read.
        """
        file, read = values.get(self.page.add_picture_button), None
        if isinstance(file, Mapping):
            client = client_of(request)
            folder_name = self.services.sessions.get(client).upload_folder
            try:
                read = await self.services.uploads.run_in_turn(
                    client.key, dropped.read_dropped_file, self.services, folder_name, file.get("path")
                )
            except Fault as fault:
                read = dropped.ReadFile(refusal=fault.sentence)
        return await asyncio.to_thread(self._use_read_file, values, read, request)

    @one_at_a_time
    def _use_read_file(self, values: dict, read: dropped.ReadFile | None, request: gr.Request) -> Outputs:
        """Use a file that has been read, if there is one, and empty the component that took it."""
        session = self.plan_widgets(request, values)
        has_changed = read is not None and dropped.use_dropped_file(session, self.services, read)
        return self.update_page(session, fill=has_changed) | {self.page.add_picture_button: None}

    @one_at_a_time
    def on_remove_start_image(self, values: dict, request: gr.Request) -> Outputs:
        """Remove the start image."""
        session = self.plan_widgets(request, values)
        dropped.remove_start_image(session, self.services)
        return self.update_page(session, fill=True)

    @one_at_a_time
    def on_look_choice(self, values: dict, request: gr.Request) -> Outputs:
        """Set the settings of the stages after the first to the chosen look, and show a button to undo it."""
        session, look = self.plan_widgets(request, values), values.get(self.page.looks)
        if not isinstance(look, str) or look not in COMPLAINT_OF_LOOK:
            return self.no_update()
        recipe = apply_look(session.recipe, look, self.services.facts(session.model))
        self._use_preset(session, recipe, words.LOOK_TITLES[look])
        return self.update_page(session, fill=True)

    @one_at_a_time
    def on_quality_choice(self, values: dict, request: gr.Request) -> Outputs:
        """Set the settings of the chosen quality preset, and show a button to undo it."""
        session, name = self.plan_widgets(request, values), values.get(self.page.quality)
        facts = self.services.facts(session.model)
        if not isinstance(name, str) or name not in quality_names(facts):
            return self.no_update()
        self._use_preset(session, apply_quality(session.recipe, name, facts), words.QUALITY_TITLES[name])
        return self.update_page(session, fill=True)

    def _use_preset(self, session: Session, recipe: Recipe, title: str) -> None:
        """Use the recipe of a look or a quality preset of this title, and show a button to undo it."""
        before = session.recipe
        set_recipe(session, self.services, recipe)
        session.message, session.notes = None, current_notes(session, self.services)
        changes = describe_differences(before, session.recipe)
        if changes:
            session.undoable_change = SettingsChange(before, session.recipe)
            text = words.PRESET_CHANGES.format(title=title, changes=changes)
            session.notes = (make_note(text, UNDO_ACTION, kind="nudge"),)

    @one_at_a_time
    def on_defaults(self, values: dict, request: gr.Request) -> Outputs:
        """Set all settings to the model's defaults, except prompt, seed, method, start image and control images."""
        session = self.plan_widgets(request, values)
        kept = {name: getattr(session.recipe, name) for name in ("prompt", "seed", "method", "image")}
        controls = reset_first_control(session.recipe.controls)
        defaults = default_recipe(self.services.facts(session.model))
        set_recipe(session, self.services, replace(defaults, controls=controls, **kept))
        session.message, session.notes = None, current_notes(session, self.services)
        return self.update_page(session, fill=True)


def _stage_number(action: Mapping[str, Any]) -> int | None:
    """Return the stage number in an action; None if the action contains no valid stage number."""
    stage = action.get("stage")
    if isinstance(stage, bool) or not isinstance(stage, int):
        return None
    return stage if 0 < stage <= MAX_STAGE_NUMBER else None

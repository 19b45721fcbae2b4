"""What the buttons of the component do. What comes from a browser may be anything."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.errors import Fault
from engine.recipe.recipe import DEFAULTS
from ui.actions import dropped as dropping
from ui.actions import runs
from ui.actions.replan import notes, read, take
from ui.handlers.page import Handlers
from ui.messages.status import checked_fit, describe_settings_used
from ui.page import Outputs, alone
from ui.panels.exports import make_export, viewed_centre
from ui.session.notes import make_note
from ui.session.services import EXAMPLE
from ui.session.session import Step, Visit
from ui.settings.complaints import COMPLAINT_MOVES, adjust_for_complaint, describe_changes
from ui.settings.control_settings import reset_first_control
from ui.text import formatting, words


class Acts:
    """One method for each act, by its name; each changes the visit and says whether the controls changed."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.house = handlers, handlers.house

    @alone
    def act(self, given: dict, request: gr.Request, event: gr.EventData) -> Outputs:
        visit, asked = self.handlers.visit(request, given), event._data
        asked = asked if isinstance(asked, Mapping) else {}
        read(visit, self.house, self.handlers.recipe(visit, given))
        doing = getattr(self, f"do_{asked.get('do')}", None)
        try:
            fill = bool(doing(visit, asked)) if doing else False
        except Fault as fault:
            visit.say(fault.sentence, fault=True)
            fill = False
        return self.handlers.seen(visit, fill=fill)

    def do_stop_here(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        """Pause after this stage, or no longer: the run at work if it is shown, else the next one."""
        stage, work = asked.get("stage") if _is_number(asked.get("stage")) else None, visit.work
        if work and (work is visit.shown or work.name == asked.get("run")):  # Whatever is shown by now.
            work.pause = None if work.pause == stage else stage
            self.house.desk.pause(work.name, work.pause)
        else:
            visit.stop_after = None if visit.stop_after == stage else stage
        visit.said = None

    def do_grow(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        """Keeps a finished stage under the present settings, and goes on from it."""
        folder, stage = self.house.folder(asked.get("run")), asked.get("stage")
        if folder and _is_number(stage) and visit.plan:
            if visit.stop_after is not None and visit.stop_after <= stage:
                visit.stop_after = None
            start = (str(folder), stage)
            runs.ask(visit, self.house, visit.recipe, visit.plan, start, visit.stop_after)

    def do_continue(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        runs.go_on(visit, self.house, str(asked.get("run")))

    def do_complain(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Nudges the present values, shows the nudge, and waits."""
        of = asked.get("of")
        if not isinstance(of, str) or of not in COMPLAINT_MOVES or visit.plan is None:
            return False
        nudged = adjust_for_complaint(visit.recipe, of, self.house.facts(visit.model))
        if not nudged.changes:
            visit.notes = (make_note(words.NOTHING_LEFT_TO_CHANGE),)
            return False
        before = visit.step.undone(visit.recipe) if visit.step else visit.recipe
        take(visit, self.house, nudged.recipe)
        visit.step = Step(before, visit.recipe)
        text = words.COMPLAINT_CHANGES.format(complaint=words.COMPLAINT_LABELS[of], changes=describe_changes(nudged.changes))
        actions = [
            {"do": "try", "label": words.TRY_CHANGES.format(cost=self._cost(visit))},
            {"do": "undo", "label": words.UNDO},
        ]
        visit.notes = (make_note(text, *actions, kind="nudge"),)
        visit.said = None
        return True

    def _cost(self, visit: Visit) -> str:
        """ " at 512 px · 10 s" for the next stage to be made."""
        if visit.plan is None or visit.held >= len(visit.plan.stages):
            return ""
        stage = visit.plan.stages[max(visit.held, min(1, len(visit.plan.stages) - 1))]
        seconds = self.house.pace.seconds([stage])
        about = "" if seconds is None else f" · {formatting.format_short_duration(seconds)}"
        return words.COST_OF_TRY.format(size=formatting.format_side(*stage.size), about=about)

    def do_try(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        """Runs the nudged settings to the first stage that they change."""
        if visit.plan and not runs.is_at_work(visit, self.house):
            stages = len(visit.plan.stages)
            visit.stop_after = None if stages <= 2 else max(2, min(visit.held + 1, stages))
            runs.ask(visit, self.house, visit.recipe, visit.plan, until=visit.stop_after)

    def do_undo(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        if visit.step is None:
            return False
        take(visit, self.house, visit.step.undone(visit.recipe))
        visit.step, visit.said, visit.notes = None, None, notes(visit, self.house)
        return True

    def do_fit(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Takes the settings that a refusal offered."""
        fit = asked.get("fit")
        known = checked_fit(fit) if isinstance(fit, Mapping) else {}
        if not known:
            return False
        take(visit, self.house, replace(visit.recipe, **known))
        visit.said = None
        return True

    def do_look(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        """Shows an earlier run; the settings stay."""
        if self._show(visit, asked.get("run")):
            visit.said = None
        else:
            visit.say(words.RUN_NOT_FOUND, fault=True)

    def _show(self, visit: Visit, name: object) -> bool:
        """Puts a run on the screen, if it is still here."""
        work = visit.work if visit.work and visit.work.name == name else None
        story = work or self.house.story(name)
        kept = self.house.pictures(story.run) if story else ()
        if story:
            visit.show(story, kept[-1].key if kept else "")
            visit.notes = notes(visit, self.house)
        return story is not None

    def do_use(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Takes the settings of a run."""
        story = self.house.story(asked.get("run"))
        if story is None or story.plan is None:
            visit.say(words.RUN_NOT_FOUND, fault=True)
            return False
        take(visit, self.house, story.plan.recipe)
        visit.step, visit.notes, visit.said = None, (), None
        if not visit.refused:
            visit.say(describe_settings_used(story.plan.recipe, self.house, visit.model))
        return True

    def do_forget(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        """Removes a run, unless it is at work; if it was shown, the newest of the others takes its place."""
        name = asked.get("run")
        if name not in visit.earlier:
            return
        if not self.house.forget(name) and self.house.folder(name):
            visit.say(words.RUN_IN_PROGRESS, fault=True)
            return
        visit.say(words.RUN_FORGOTTEN)
        if not visit.forget(name):
            return
        other = next(filter(self.house.folder, visit.earlier), EXAMPLE)
        if self._show(visit, other):
            visit.say(words.RUN_FORGOTTEN_SHOWING_EXAMPLE if other == EXAMPLE else words.RUN_FORGOTTEN_SHOWING_NEWEST)

    def do_offered(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Takes the settings of a picture that was dropped."""
        return dropping.use(visit, self.house)

    def do_enlarge(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Starts from a picture that was dropped."""
        return dropping.enlarge(visit, self.house)

    def do_away(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Lets the start picture go."""
        dropping.take_away(visit, self.house)
        return True

    def do_follow(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Follows a picture that was dropped."""
        return dropping.follow(visit, self.house)

    def do_unfollow(self, visit: Visit, asked: Mapping[str, Any]) -> bool:
        """Lets the picture to follow go."""
        dropping.unfollow(visit, self.house)
        return True

    @alone
    def dropped(self, given: dict, request: gr.Request) -> Outputs:
        """A file was dropped."""
        visit, zone = self.handlers.visit(request, given), self.handlers.page.drop
        read(visit, self.house, self.handlers.recipe(visit, given))
        file = given.get(zone)
        fill = isinstance(file, Mapping) and dropping.drop(visit, self.house, file.get("path"))
        return self.handlers.seen(visit, fill=fill) | {zone: None}  # Ready for the next one.

    @alone
    def taken_away(self, given: dict, request: gr.Request) -> Outputs:
        """The start picture is to go."""
        visit = self.handlers.visit(request, given)
        read(visit, self.house, self.handlers.recipe(visit, given))
        dropping.take_away(visit, self.house)
        return self.handlers.seen(visit, fill=True)

    @alone
    def to_defaults(self, given: dict, request: gr.Request) -> Outputs:
        """Every setting as the model's defaults; prompt, seed, method and pictures stay."""
        visit = self.handlers.visit(request, given)
        read(visit, self.house, self.handlers.recipe(visit, given))
        kept = {name: getattr(visit.recipe, name) for name in ("prompt", "seed", "method", "image")}
        controls = reset_first_control(visit.recipe.controls)
        take(visit, self.house, replace(DEFAULTS, controls=controls, **kept))
        visit.said, visit.notes = None, notes(visit, self.house)
        return self.handlers.seen(visit, fill=True)

    def do_labelled(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        self._share(visit, asked, "labelled")

    def do_dive(self, visit: Visit, asked: Mapping[str, Any]) -> None:
        self._share(visit, asked, "dive")

    def _share(self, visit: Visit, asked: Mapping[str, Any], what: str) -> None:
        """Notes what is to be made for sharing, and where the viewer looks; it is made by `made`."""
        run = asked.get("run")
        if self.house.folder(run):
            visit.pending.append((what, run, viewed_centre(asked.get("place"))))
            visit.say(words.EXPORT_IN_PROGRESS)

    def made(self, request: gr.Request) -> Outputs:
        """Makes what was asked for first, and offers it beside its run."""
        visit = self.handlers.visit(request)
        with visit.lock:
            if not visit.pending:
                return {self.handlers.page.stages: gr.skip()}
            what, run, at = visit.pending.pop(0)
        try:  # It takes seconds, and no other handler is to wait for it.
            made, refused = make_export(self.house, what, run, at), None
        except Fault as fault:
            made, refused = None, fault
        with visit.lock:
            if refused:
                visit.say(refused.sentence, fault=True)
            elif visit.said and visit.said.text == words.EXPORT_IN_PROGRESS and not visit.pending:
                visit.said = None
            if made:
                visit.saved[run, what] = made
                if visit.shown and visit.shown.name == run:
                    visit.notes = (*visit.notes, make_note(words.EXPORT_READY.format(label=made["label"])))
            return self.handlers.seen(visit)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100

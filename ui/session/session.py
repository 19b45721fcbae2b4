"""One open page: what its controls stand for, which run it watches, what was last said to it."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import BadRecipe
from engine.planning.plan import Plan
from engine.recipe.recipe import SETTINGS, Recipe
from ui.session.progress import Story
from ui.session.uploads import drawer

MOST_VISITS = 500
MOST_EARLIER = 20


@dataclass(frozen=True)
class Said:
    """A line that stands until the next action. actions: buttons beside it."""

    text: str
    fault: bool = False
    actions: tuple[dict[str, Any], ...] = ()


class Step(NamedTuple):
    """What the page itself did to the settings, which can be undone while others move."""

    before: Recipe
    after: Recipe

    def undone(self, recipe: Recipe) -> Recipe:
        """A recipe without it: what has moved since stays."""
        changed = (name for name in SETTINGS if getattr(self.before, name) != getattr(self.after, name))
        back = {name: getattr(self.before, name) for name in changed}
        return replace(
            recipe, **{k: v for k, v in back.items() if getattr(recipe, k) == getattr(self.after, k)}
        )


class Offer(NamedTuple):
    """A dropped file: the recipe in it if it is ours, its picture if that can be used, what the drop did."""

    recipe: Recipe | None
    picture: Path | None
    started: Step | None = None


@dataclass(eq=False)
class Visit:
    """recipe, plan: of the controls; plan is None while `refused` says why.   rest: without a control.
    held: first stages that are here.   without: settings that have no effect, and are hidden.
    shown: the run in the strip.   previous: the one before it.   work: that goes on.   ended: the last.
    stop_after: the stage to pause after.   step: what Undo undoes.
    earlier: this browser's runs, the newest first.   forgotten: those that were removed here.
    looking: a picture to show, and how often one was asked for.   address: of the page.
    pending: (what, run, place) that are to be made for sharing.   saved: what has been, by (run, what).
    known: whether it has been filled; one that the server forgot is filled anew.
    written: what was last read of the controls, or written into them.
    pictures: those that were dropped, by their digests.   start: of the start picture that is shown.
    section, mapped: what the section of the picture to follow shows, and of which map.
    map_stage: the stage whose map was chosen.
    wanted: the model that is being fetched.   followed: the run whose log is being read.
    drawer: where the pictures that were dropped lie.
    lock: held by whoever changes anything of this.
    """

    recipe: Recipe = field(default_factory=Recipe)
    rest: dict[str, Any] = field(default_factory=dict)
    plan: Plan | None = None
    refused: BadRecipe | None = None
    held: int = 0
    shown: Story | None = None
    previous: Story | None = None
    ended: Story | None = None
    work: Story | None = None
    stop_after: int | None = None
    said: Said | None = None
    notes: tuple[dict[str, Any], ...] = ()
    offered: Offer | None = None
    pictures: dict[str, Path] = field(default_factory=dict)
    start: str | None = None
    section: tuple[Any, ...] | None = None
    mapped: int | None = None
    map_stage: int | None = None
    step: Step | None = None
    earlier: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    saved: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    looking: tuple[int, str] = (0, "")
    pending: list[tuple[str, str, tuple[float, float]]] = field(default_factory=list)
    address: str = ""
    without: frozenset[str] = frozenset()
    spoken: int = 0
    followed: Story | None = None
    wanted: str | None = None
    written: dict[str, Any] = field(default_factory=dict)
    known: bool = False
    drawer: str = field(default_factory=drawer)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def model(self) -> str:
        """The chosen one, by its name; the first is meant by none."""
        return self.recipe.model

    def say(self, text: str, *actions: dict[str, Any], fault: bool = False) -> None:
        self.said = Said(text, fault, actions)
        self.spoken += 1

    def show(self, story: Story | None, key: str = "") -> None:
        self.shown = story
        if key:
            self.looking = (self.looking[0] + 1, key)

    def forget(self, run: str) -> bool:
        """Nothing here leads to this run any more; whether it was shown."""
        was_shown = self.shown is not None and self.shown.name == run
        self.shown, self.previous, self.ended = (
            None if story and story.name == run else story
            for story in (self.shown, self.previous, self.ended)
        )
        self.saved = {(of, what): kept for (of, what), kept in self.saved.items() if of != run}
        self.earlier.remove(run)
        self.forgotten.append(run)
        return was_shown

    def remember(self, run: str) -> None:
        """Puts a run first among this browser's."""
        self.earlier = [run, *(name for name in self.earlier if name != run)][:MOST_EARLIER]


class Visits:
    """Open pages by their session; the oldest are forgotten, and begin anew when they come back."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session: str | None) -> Visit:
        with self._lock:
            visit = self._visits.pop(session or "", None) or Visit()
            self._visits[session or ""] = visit
            while len(self._visits) > MOST_VISITS:
                self._visits.popitem(last=False)
            return visit

"""One open page: its settings, the runs that it shows and follows, and the messages on it."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import BadRecipe
from engine.planning.plan import Plan
from engine.recipe.recipe import SETTINGS, Recipe
from ui.session.progress import RunProgress
from ui.session.uploads import new_folder_name

MAX_SESSIONS = 500
MAX_OWN_RUNS = 20


@dataclass(frozen=True)
class Message:
    """A line in the status area of the page that stays until the next action."""

    text: str
    # Whether the page presents it as an error.
    fault: bool = False
    # Buttons beside the text: {"do": name of the action, "label": text, ...}.
    actions: tuple[dict[str, Any], ...] = ()


class SettingsChange(NamedTuple):
    """A change of settings that the page made itself and that can be undone."""

    before: Recipe
    after: Recipe

    def revert(self, recipe: Recipe) -> Recipe:
        """Return the recipe without this change; settings that have changed again since stay as they are."""
        restored = {
            name: getattr(self.before, name)
            for name in SETTINGS
            if getattr(self.before, name) != getattr(self.after, name)
            and getattr(recipe, name) == getattr(self.after, name)
        }
        return replace(recipe, **restored)


class DroppedFile(NamedTuple):
    """A file that was dropped on the page and for which the page offers actions."""

    # The recipe in the file; None if the file holds none.
    recipe: Recipe | None
    # The picture in the file, as a copy of the server; None if it cannot be used.
    image: Path | None
    # The change of settings that dropping the file made at once.
    change: SettingsChange | None = None


@dataclass(eq=False)
class Session:
    """The state of one open page on the server."""

    # Held by every handler while it reads or changes anything below.
    lock: threading.RLock = field(default_factory=threading.RLock)

    # ---- Settings ----

    # The recipe that the widgets of the page stand for.
    recipe: Recipe = field(default_factory=Recipe)
    # Settings of the recipe that have no widget, by name.
    unlisted_settings: dict[str, Any] = field(default_factory=dict)
    # The recipe's plan; None if it was refused.
    plan: Plan | None = None
    # Why the recipe was refused.
    refusal: BadRecipe | None = None
    # How many of the plan's first stages are cached and need not be made.
    cached_count: int = 0
    # The stage after which the next run is to pause; None if it is not to pause.
    pause_after: int | None = None
    # The last change that the page made itself, for the Undo button.
    undoable_change: SettingsChange | None = None
    # The model that is being downloaded to be used next.
    wanted_model: str | None = None

    # ---- Widgets ----

    # Values of the widgets that the page was last seen with or was last filled with, by name.
    widget_values: dict[str, Any] = field(default_factory=dict)
    # Widgets that are hidden because they have no effect.
    ineffective: frozenset[str] = frozenset()
    # The start image that is on display, by digest.
    shown_start_image: str | None = None
    # What the control panel shows apart from its map; see ui/panels/control.py.
    shown_control: tuple[Any, ...] | None = None
    # Hash of the control map that is on display.
    shown_map: int | None = None
    # The stage whose control map was chosen; None for the last one.
    map_stage: int | None = None

    # ---- Images ----

    # Files of images that were dropped on this page, by digest.
    images: dict[str, Path] = field(default_factory=dict)
    # The last file that was dropped, while actions are offered for it.
    dropped: DroppedFile | None = None
    # Name of the folder for images that were dropped on this page.
    upload_folder: str = field(default_factory=new_folder_name)

    # ---- Runs ----

    # The run whose stages are on display.
    shown_run: RunProgress | None = None
    # The run that was on display before the active one.
    previous_run: RunProgress | None = None
    # The run of this page that is waiting or in progress.
    active_run: RunProgress | None = None
    # The run whose events are being forwarded to the browser.
    followed_run: RunProgress | None = None
    # The last run of this page that ended.
    ended_run: RunProgress | None = None
    # Names of the runs of this browser, the newest first.
    own_runs: list[str] = field(default_factory=list)
    # Names of the runs that were removed on this page.
    removed_runs: list[str] = field(default_factory=list)
    # How often a finished stage was brought on display, and the key of the last one.
    shown_stage: tuple[int, str] = (0, "")
    # Exports that were requested: (kind of export, run, centre of the view as shares).
    pending_exports: list[tuple[str, str, tuple[float, float]]] = field(default_factory=list)
    # Finished exports as links for the browser, by (run, kind of export).
    exports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    # ---- Messages ----

    # The message in the status line; None while the line follows from the state of the page.
    message: Message | None = None
    # Notes below the status line; see ui/session/notes.py.
    notes: tuple[dict[str, Any], ...] = ()
    # How many times the status line has changed in a way that screen readers are to announce.
    announcements: int = 0

    # ---- Connection ----

    # Whether the session has been filled from the browser's stored settings or from a link.
    is_restored: bool = False
    # The URL under which the browser reaches the page.
    address: str = ""

    @property
    def model(self) -> str:
        """The name of the selected model; empty for the first one in the catalogue."""
        return self.recipe.model

    def show_message(self, text: str, *actions: dict[str, Any], fault: bool = False) -> None:
        """Announce a message with this text and these buttons."""
        self.announce(Message(text, fault, actions))

    def announce(self, message: Message) -> None:
        """Put a message into the status line and have screen readers announce it."""
        self.message = message
        self.announcements += 1

    def show_run(self, progress: RunProgress | None, key: str = "") -> None:
        """Put a run on display; key: of the stage to be shown large, empty to leave the viewer as it is."""
        self.shown_run = progress
        if key:
            self.shown_stage = (self.shown_stage[0] + 1, key)

    def forget_run(self, run: str) -> bool:
        """Drop everything that leads to a run of this page. Return whether it was on display."""
        was_shown = self.shown_run is not None and self.shown_run.name == run
        self.shown_run = _other_than(run, self.shown_run)
        self.previous_run = _other_than(run, self.previous_run)
        self.ended_run = _other_than(run, self.ended_run)
        self.exports = {key: export for key, export in self.exports.items() if key[0] != run}
        self.own_runs.remove(run)
        self.removed_runs.append(run)
        return was_shown

    def remember_run(self, run: str) -> None:
        """Put a run first among those of this browser."""
        self.own_runs = [run, *(name for name in self.own_runs if name != run)][:MAX_OWN_RUNS]


def _other_than(run: str, progress: RunProgress | None) -> RunProgress | None:
    return None if progress and progress.name == run else progress


class Sessions:
    """All sessions by Gradio's session hash.

    The least recently used one is dropped when there are too many; its page gets a new session on its next
    request.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session_hash: str | None) -> Session:
        """Return the session of a page, a new one if there is none."""
        with self._lock:
            session = self._sessions.pop(session_hash or "", None) or Session()
            self._sessions[session_hash or ""] = session
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
            return session

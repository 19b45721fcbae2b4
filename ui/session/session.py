"""One open page: its settings, the runs that it shows and follows, and the messages on it."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import BadRecipe
from engine.planning.plan import Plan
from engine.recipe.recipe import SETTINGS, Recipe
from ui.session.client import Client
from ui.session.progress import RunProgress
from ui.session.uploads import new_folder_name

# At most this many sessions are kept on the server, and at most this many of one address.
MAX_SESSIONS, MAX_SESSIONS_PER_ADDRESS = 500, 100
# At most this many runs of one browser are remembered.
MAX_OWN_RUNS = 20
# At most this many exports of one session wait to be made.
MAX_PENDING_EXPORTS = 4


@dataclass(frozen=True)
class Message:
    """A line of text in the status area of the page. It stays until the next action of the person."""

    # What the line says.
    text: str
    # Whether the page presents the text as an error.
    fault: bool = False
    # Buttons beside the text: {"do": name of the action, "label": text, ...}.
    actions: tuple[dict[str, Any], ...] = ()
    # More about the text, which is shown while the pointer is on it.
    details: str = ""


class Trial(NamedTuple):
    """A run that tries changed settings, to be compared with the picture before."""

    # The name of the run.
    run: str
    # The run that was on display before.
    before: RunProgress
    # The stage_id of each finished stage of that run, by number.
    stage_ids: dict[int, str]
    # The change, which can be undone.
    change: "SettingsChange"
    # The changed settings as text.
    text: str


class SettingsChange(NamedTuple):
    """A change of settings that the page made itself and that can be undone."""

    # The settings before the change.
    before: Recipe
    # The settings after the change.
    after: Recipe

    def revert(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the settings of before this change, except settings that have changed again."""
        restored = {
            name: getattr(self.before, name)
            for name in SETTINGS
            if getattr(self.before, name) != getattr(self.after, name)
            and getattr(recipe, name) == getattr(self.after, name)
        }
        return replace(recipe, **restored)


class DroppedFile(NamedTuple):
    """A file that was dropped on the page. The page offers actions for this file."""

    # The recipe in the file; None if the file holds none.
    recipe: Recipe | None
    # The server's own copy of the image in the file; None if the image cannot be used.
    image: Path | None
    # The change of settings that the page made when the file was dropped; None if it made no change.
    change: SettingsChange | None = None


@dataclass(eq=False)
class Session:
    """The state of one open page on the server."""

    # The client whose page this is.
    client: Client = field(default_factory=Client)
    # The secret that owns the runs of the page if the browser sent none.
    owner_of_page: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    # Every handler holds this lock while it reads or changes a field of the session.
    lock: threading.RLock = field(default_factory=threading.RLock)

    # ---- Settings ----

    # The recipe that is set in the widgets of the page.
    recipe: Recipe = field(default_factory=Recipe)
    # Values of the settings of the recipe that have no widget, by name of the setting.
    unlisted_settings: dict[str, Any] = field(default_factory=dict)
    # The recipe's plan; None if the recipe was refused.
    plan: Plan | None = None
    # Why the recipe cannot be planned, which the status line says; None if it was planned.
    refusal: BadRecipe | None = None
    # Number of the plan's first stages that are cached and need not be computed.
    cached_count: int = 0
    # The number of the stage after which the next run pauses; None if the next run does not pause.
    pause_after: int | None = None
    # Whether Generate keeps the seed even if nothing has changed since the picture on display.
    keeps_seed: bool = False
    # The change of settings that the Undo button reverts; None if there is nothing to undo.
    undoable_change: SettingsChange | None = None
    # The change of settings that the last shown example made; None if no example was shown.
    example_change: SettingsChange | None = None
    # The name of the model that is selected once its download is complete; None if no model is awaited.
    wanted_model: str | None = None

    # ---- Widgets ----

    # The last known values of the widgets, sent by the browser or set by the server, by name.
    widget_values: dict[str, Any] = field(default_factory=dict)
    # Names of the widgets that are hidden because they have no effect.
    ineffective_widgets: frozenset[str] = frozenset()
    # The digest of the start image that is on display; None if there is no start image.
    shown_start_image: str | None = None
    # What the control panel shows apart from the control map; see ui/panels/control.py.
    shown_control: tuple[Any, ...] | None = None
    # Hash of the HTML of the control map that is on display; None if no control map was shown yet.
    shown_map_hash: int | None = None
    # The number of the stage whose control map is shown; None for the last stage.
    map_stage: int | None = None

    # ---- Images ----

    # Files of images that were dropped on this page, by digest.
    images: dict[str, Path] = field(default_factory=dict)
    # The last file that was dropped; None if the page no longer offers actions for a dropped file.
    dropped_file: DroppedFile | None = None
    # Name of the folder that stores the images that were dropped on this page.
    upload_folder: str = field(default_factory=new_folder_name)

    # ---- Runs ----

    # The run whose stages are on display.
    shown_run: RunProgress | None = None
    # The run that was on display before the active one.
    previous_run: RunProgress | None = None
    # The run of this page that is waiting or in progress; None if there is none.
    active_run: RunProgress | None = None
    # The run whose progress is being sent to the browser; None if there is none.
    followed_run: RunProgress | None = None
    # The runs that draw the first stage with different seeds, for the person to choose one; empty if there are none.
    candidates: tuple[RunProgress, ...] = ()
    # The last run of this page that ended.
    ended_run: RunProgress | None = None
    # Names of the runs of this browser, the newest first.
    own_runs: list[str] = field(default_factory=list)
    # Names of the runs that were removed on this page.
    removed_runs: list[str] = field(default_factory=list)
    # How many times a finished stage was put into the viewer, and the stage_id of the last of them.
    shown_stage: tuple[int, str] = (0, "")
    # The run that tries changed settings; None if there is none.
    trial: Trial | None = None
    # How many times a comparison was requested or ended, and the stage_ids of its two pictures; none to end it.
    comparison: tuple[int, tuple[str, ...]] = (0, ())
    # Requested exports: (kind of export, name of the run, centre of the view as fractions of height and width).
    pending_exports: list[tuple[str, str, tuple[float, float]]] = field(default_factory=list)
    # Whether an export of this session is being made.
    is_exporting: bool = False
    # Finished exports as links for the browser, by (name of the run, kind of export).
    exports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    # ---- Messages ----

    # The message in the status line; None if the status line describes the settings or the run instead.
    message: Message | None = None
    # Notes below the status line; see ui/session/notes.py.
    notes: tuple[dict[str, Any], ...] = ()
    # How many times the status line has changed in a way that screen readers are to announce.
    announcement_count: int = 0

    # ---- Connection ----

    # Whether the session has been filled from the browser's stored settings or from a link.
    is_restored: bool = False
    # The URL under which the browser reaches the page.
    address: str = ""

    @property
    def owner(self) -> str:
        """The secret that owns the runs of the browser, or of this page alone if the browser sent none."""
        return self.client.owner or self.owner_of_page

    @property
    def is_empty(self) -> bool:
        """Whether a person would lose nothing if the server dropped the session: the browser stores the rest."""
        return not (self.images or self.active_run or self.dropped_file or self.pending_exports)

    @property
    def shows_candidates(self) -> bool:
        """Whether the candidates are on display, instead of a single run."""
        return bool(self.candidates) and self.shown_run in (None, *self.candidates)

    @property
    def model(self) -> str:
        """The name of the selected model; empty for the first one in the catalogue."""
        return self.recipe.model

    def show_message(self, text: str, *actions: dict[str, Any], fault: bool = False) -> None:
        """Put a message into the status line and announce it to screen readers.

        actions: buttons beside the text, see Message.actions.
        fault: whether the page presents the text as an error.
        """
        self.announce(Message(text, fault, actions))

    def announce(self, message: Message) -> None:
        """Put a message into the status line and announce it to screen readers."""
        self.message = message
        self.announcement_count += 1

    def show_run(self, progress: RunProgress | None, stage_id: str = "") -> None:
        """Put a run on display.

        progress: the run; None to show no run.
        stage_id: the finished stage to put into the viewer; empty to leave the viewer unchanged.
        """
        self.shown_run = progress
        if progress not in (None, *self.candidates) and self.active_run not in self.candidates:
            self.candidates = ()
        if stage_id:
            self.shown_stage = (self.shown_stage[0] + 1, stage_id)

    def show_comparison(self, *stage_ids: str) -> None:
        """Compare two finished stages in the viewer; without any, end the comparison."""
        self.comparison = (self.comparison[0] + 1, stage_ids)

    def forget_run(self, run: str) -> bool:
        """Remove all references of the session to a run. Return whether the run was on display.

        run: the name of the run, which must be in own_runs.
        """
        was_shown = self.shown_run is not None and self.shown_run.name == run
        self.shown_run = _none_if_named(self.shown_run, run)
        self.previous_run = _none_if_named(self.previous_run, run)
        self.ended_run = _none_if_named(self.ended_run, run)
        self.exports = {key: export for key, export in self.exports.items() if key[0] != run}
        self.candidates = tuple(each for each in self.candidates if each.name != run)
        self.own_runs.remove(run)
        self.removed_runs.append(run)
        return was_shown

    def remember_run(self, run: str) -> None:
        """Put the name of a run first in own_runs, and cut own_runs to MAX_OWN_RUNS names."""
        self.own_runs = [run, *(name for name in self.own_runs if name != run)][:MAX_OWN_RUNS]


def _none_if_named(progress: RunProgress | None, name: str) -> RunProgress | None:
    """Return a run, or None if the run has this name."""
    return None if progress and progress.name == name else progress


class Sessions:
    """All sessions, by Gradio's session hash and the owner's secret; a hash alone opens no session of others.

    If there are more than MAX_SESSIONS, or more than MAX_SESSIONS_PER_ADDRESS of one address, a session is dropped:
    the least recently used one that is empty, or the least recently used one if none is. The page of a dropped
    session gets a new session on its next request.
    """

    def __init__(self) -> None:
        # The least recently used session comes first.
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, client: Client) -> Session:
        """Return the session of a client. Create a session if none exists.

        A client without a session hash gets a session of its own, which is not kept.
        """
        if not client.session_hash:
            return Session(client)
        key = (client.session_hash, client.owner)
        with self._lock:
            session = self._sessions.pop(key, None) or Session(client)
            self._sessions[key] = session
            self._drop_excess(session)
            return session

    def find(self, client: Client) -> Session | None:
        """Return the session of a client; None if there is none. For requests that need no new session."""
        with self._lock:
            return self._sessions.get((client.session_hash, client.owner))

    def _drop_excess(self, newest: Session) -> None:
        """Drop the sessions that are too many. newest: the session in use, which is kept."""
        address = newest.client.address
        if address:
            same = [each for each in self._sessions.values() if each.client.address == address]
            self._drop_some(same, len(same) - MAX_SESSIONS_PER_ADDRESS, newest)
        self._drop_some(list(self._sessions.values()), len(self._sessions) - MAX_SESSIONS, newest)

    def _drop_some(self, sessions: list[Session], count: int, newest: Session) -> None:
        """Drop so many of these sessions, which come in the order of their last use, empty ones first."""
        if count <= 0:
            return
        for session in sorted(sessions, key=lambda session: not session.is_empty)[: count + 1]:
            if session is not newest and count > 0:
                del self._sessions[session.client.session_hash, session.client.owner]
                count -= 1

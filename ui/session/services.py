"""What all open pages share: models, the desk, finished runs. Names of runs are checked here."""

import logging
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault
from engine.planning.plan import Plan, plan
from engine.runs import store
from engine.runs.cache import Shelf
from engine.runs.keys import stage_keys
from engine.runs.pace import Pace
from engine.serving.model_pool import Lender
from engine.serving.queue import Desk, UnknownRun
from ui.session.finished import Picture, pictures, planned
from ui.session.progress import Story
from ui.session.session import Visits
from ui.session.uploads import Uploads

log = logging.getLogger(__name__)

EXAMPLE = "example"
"""The run of this name came with the app."""
TIDIED_EVERY = 300.0
"""Seconds between looks for what is too old."""
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class House:
    """space: the name of the Space that this is hosted on, if any."""

    lender: Lender
    desk: Desk
    shelf: Shelf
    example: Path | None = None
    space: str | None = None
    visits: Visits = field(default_factory=Visits)
    uploads: Uploads = field(default_factory=Uploads)

    @property
    def pace(self) -> Pace:
        return Pace(self.shelf.root)

    def entry(self, model: str = "") -> ModelEntry:
        return self.lender.entry(model)

    def facts(self, model: str = "") -> Facts:
        return self.lender.facts(model)

    def offered(self, model: object, otherwise: str = "") -> str:
        """A model as recipes of this page name it: the first is meant by no name, and what is not on offer
        gives way to the other."""
        first, *others = self.lender.entries
        if isinstance(model, str) and model in others:
            return model
        return "" if model in ("", first) else otherwise

    def facts_if_here(self, model: str) -> Facts | None:
        """Of a model that a picture was made with."""
        try:
            return self.facts(model)
        except Fault:
            return None

    def folder(self, name: object) -> Path | None:
        """A run's folder, if it is there; a name may be anything."""
        if name == EXAMPLE:
            return self.example
        if not (isinstance(name, str) and _RUN.fullmatch(name)):
            return None
        folder = self.shelf.root / name
        return folder if folder.is_dir() else None

    def pictures(self, run: Path) -> tuple[Picture, ...]:
        return pictures(run, self.facts_if_here)

    def held(self, planned: Plan) -> int:
        """How many of the first stages need not be made; unknown, so none, before the model is loaded."""
        if not planned.facts.hash:
            return 0
        return self.shelf.held(stage_keys(planned.stages))

    def story(self, name: str) -> Story | None:
        """What is known of a run: all that it told, or what lies in its folder; None if it is gone."""
        folder = self.folder(name)
        if folder is None:
            return None
        story = Story(folder)
        try:
            events, story.next = self.desk.since(name)
            story.hear(events)
            story.until, story.pause = self.desk.ends(name)
        except UnknownRun:
            pass
        story.made = story.made or {each.number: each for each in self.pictures(folder)}
        if story.plan is None:
            story.plan = self._planned(folder)
        return story

    def _planned(self, folder: Path) -> Plan | None:
        """The plan of the largest stage in a folder."""
        kept = self.pictures(folder)
        facts = self.facts_if_here(kept[-1].recipe.model) if kept else None
        return planned(kept[-1].recipe, facts) if facts else None

    def present(self, planned: Plan) -> Plan:
        """The plan, made anew if more is known of its model by now; a Fault if it cannot be made."""
        facts = self.facts(planned.recipe.model)
        return planned if planned.facts is facts else plan(planned.recipe, facts)

    def goes_on(self, story: Story) -> bool:
        """Whether a run is in the line or at work."""
        return story.end is None and story.run in self.desk.running()

    def forget(self, name: str) -> bool:
        """Removes a run unless it is at work, or one that waits is to go on from it."""
        folder = self.folder(name)
        if folder is None or name == EXAMPLE or folder in self.desk.needed():
            return False
        self.shelf.forget(folder)
        return True

    def tidy(self) -> None:
        """Removes runs and dropped pictures that have been kept for long enough."""
        try:
            self.shelf.sweep(tuple(self.desk.needed()))
            self.uploads.sweep()
        except OSError as fault:
            log.warning("what is old could not be removed: %s", fault)


def keep_tidy(house: House, every: float = TIDIED_EVERY) -> threading.Event:
    """Tidies a house now and then, whether or not anyone comes, until this is set."""
    over = threading.Event()

    def tidying() -> None:
        while not over.wait(every):
            house.tidy()

    threading.Thread(target=tidying, name="tidy", daemon=True).start()
    return over


def open_house(
    root: Path,
    lender: Lender,
    *,
    age: float,
    size: float = float("inf"),
    example: Path | None = None,
    space: str | None = None,
    most: int = 12,
    patience: float = 120.0,
) -> House:
    """A house whose runs lie under `root` for `age` seconds."""
    root.mkdir(parents=True, exist_ok=True)
    shelf = Shelf(root.resolve(), age=age, size=size)
    desk = Desk(shelf, lender.start, partial(lender.price, root=shelf.root), most=most, patience=patience)
    uploads = Uploads(needed=desk.needed)
    whole = example if example and example.is_dir() and store.stages(example) else None
    house = House(lender, desk, shelf, whole, space, uploads=uploads)
    house.tidy()
    return house

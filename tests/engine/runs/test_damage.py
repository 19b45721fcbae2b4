"""Damaged files of a finished stage are noticed when the stage is to be used again, and the stage is made anew."""

import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Failed, Finished, generate
from engine.errors import BadRecipe
from engine.planning.plan import plan
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.checksums import CHECKSUMS_FILE
from engine.runs.keys import stage_keys
from tests.support.planning import small_recipe
from tests.support.run_results import run_events, stage_done_events
from tests.support.stored_stages import overwrite

RECIPE = small_recipe(steps=4)


def zero_the_end(folder):
    path = folder / store.LATENTS_FILE
    content = path.read_bytes()
    overwrite(path, content[:-400] + bytes(400))


def truncate(folder):
    path = folder / store.LATENTS_FILE
    overwrite(path, path.read_bytes()[:-100])


def replace_picture(folder):
    path = folder / store.PICTURE_FILE
    path.chmod(0o644)
    Image.new("RGB", (256, 256), "red").save(path)


def remove_tile(folder):
    next((folder / "tiles").iterdir()).unlink()


def remove_checksums(folder):
    (folder / CHECKSUMS_FILE).unlink()


def spoil_checksums(folder):
    overwrite(folder / CHECKSUMS_FILE, b"[1")


def empty_checksums(folder):
    overwrite(folder / CHECKSUMS_FILE, b"{}")


def add_file(folder):
    (folder / "more.jpg").write_bytes(b"x")


def spoil_thumbnail(folder):
    overwrite(folder / "thumb.jpg", bytes((folder / "thumb.jpg").stat().st_size))


DAMAGES = (
    zero_the_end, truncate, replace_picture, remove_tile, add_file, spoil_thumbnail, remove_checksums, spoil_checksums,
    empty_checksums,
)  # fmt: skip


@pytest.fixture(scope="module")
def finished_run(model, tmp_path_factory):
    """The folder of a run of two finished stages, which tests copy."""
    root = tmp_path_factory.mktemp("finished")
    events = run_events(RECIPE, model, root)
    assert events[-1] == Finished(2)
    return Path(events[0].run)


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the finished run."""
    return Path(shutil.copytree(finished_run, tmp_path / finished_run.name))


def stage_of(run, number):
    return store.finished_stages(run)[number][1]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_an_undamaged_stage_can_be_read(run):
    assert store.is_intact(stage_of(run, 2))


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damage_is_noticed_and_the_stage_is_set_aside_in_its_run(run, damage):
    folder = stage_of(run, 2)
    damage(folder)
    assert not store.is_intact(folder)
    with pytest.raises(BadRecipe, match="Stage 2 in"):
        store.read_or_set_aside(folder)
    assert list(store.finished_stages(run)) == [1]
    assert [path.name.startswith(f".damaged-{folder.name}-") for path in run.glob(".damaged*")] == [True]


def test_a_run_of_the_same_recipe_makes_a_damaged_stage_again(run, finished_run, model, tmp_path):
    replace_picture(stage_of(run, 2))
    events = list(generate(RECIPE, model, out=tmp_path))
    assert events[-1] == Finished(2)
    assert [stage.stage for stage in events[0].kept] == [1]
    (made,) = [stage for stage in stage_done_events(events) if stage.stage == 2]
    assert (pixels(made.image) == pixels(stage_of(finished_run, 2) / store.PICTURE_FILE)).all()


def test_damage_of_a_shared_stage_is_noticed_in_each_run(run, model, tmp_path):
    other = Path(next(generate(RECIPE, model, out=tmp_path)).run)
    assert os.path.samefile(stage_of(run, 2) / store.LATENTS_FILE, stage_of(other, 2) / store.LATENTS_FILE)
    zero_the_end(stage_of(run, 2))
    keys = stage_keys(plan(RECIPE, model.facts).stages)
    assert len(RunCache(tmp_path).longest_chain(keys)) == 1
    assert [list(store.finished_stages(each)) for each in (run, other)] == [[1], [1]]


def test_a_run_goes_on_after_its_last_undamaged_stage(run, model, tmp_path):
    assert store.last_sound_stage(run) == 2
    truncate(stage_of(run, 2))
    assert store.last_sound_stage(run) == 1
    zero_the_end(stage_of(run, 1))
    assert store.last_sound_stage(run) == 0
    assert store.last_sound_stage(run / "gone") == 0


def test_growing_from_a_damaged_stage_is_refused_once_and_then_it_is_gone(run, model, tmp_path):
    truncate(stage_of(run, 1))
    larger = small_recipe(steps=4, scales=(1, 2), seed=99)
    (refused,) = generate(larger, model, out=tmp_path, resume=(str(run), 1))
    assert isinstance(refused, Failed)
    assert refused.field == "resume"
    assert list(store.finished_stages(run)) == [2]


def test_a_stage_of_an_earlier_version_without_checksums_can_be_used(run, tmp_path):
    folder = stage_of(run, 2)
    stored = store.read_stage(folder)
    earlier = store.stage_folder(tmp_path / ("e" * 32), 2, "f" * 32)
    earlier.mkdir(parents=True)
    tensors = {"latents": stored.latents, "tone": np.asarray(stored.tone, np.float64)}
    (earlier / store.LATENTS_FILE).write_bytes(store.save(tensors, metadata={store.RECORD_NAME: "{}"}))
    assert (store.read_stage(earlier).latents == stored.latents).all()


def test_finished_files_are_read_only_and_their_run_can_be_removed(run, tmp_path):
    files = [path for path in stage_of(run, 2).rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o222 for path in files} == {0}
    RunCache(tmp_path).remove_run(run)
    assert list(tmp_path.iterdir()) == []

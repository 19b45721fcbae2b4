"""Growing on from a chosen stage, under other settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Accepted, Finished
from engine.runs import store
from tests.support.toys import bytes_of, done, failed, kinds, run, small


def test_growing_on_from_a_chosen_stage_under_other_settings(model, tmp_path):
    first = run(small(), model, tmp_path)
    other = small(scales=(1, 2, 4), prompt="a blue boat", scheduler="euler_a", guidance=3, seed=8, alpha1=1)
    grown = run(other, model, tmp_path, resume=(first[0].run, 2))
    assert [e.stage for e in done(grown)] == [3]
    assert [e.stage for e in grown[0].kept] == [1, 2]
    assert bytes_of(grown[0].kept[1]) == bytes_of(done(first)[1])


@pytest.mark.slow
def test_a_grown_stage_is_found_again_by_growing_again_and_by_nothing_else(model, tmp_path):
    first = run(small(), model, tmp_path)
    other = small(scales=(1, 2, 3, 4), seed=8)
    start = (first[0].run, 2)
    run(other, model, tmp_path, resume=start, until=3)
    grown = run(other, model, tmp_path, resume=start)
    assert [e.stage for e in grown[0].kept] == [1, 2, 3]
    assert [e.stage for e in done(grown)] == [4]
    assert kinds(run(other, model, tmp_path, resume=start)) == [Accepted, Finished]
    assert run(other, model, tmp_path, until=1)[0].first == 1


def test_growing_on_works_between_the_planned_sizes(model, tmp_path):
    first = run(small(scales=(1, 1.5)), model, tmp_path)
    grown = run(small(scales=(1, 2, 3)), model, tmp_path, resume=(first[0].run, 2))
    assert [(e.stage, e.size) for e in grown[0].kept] == [(1, (192, 192))]
    assert [(e.stage, e.size) for e in done(grown)] == [(2, (256, 256)), (3, (384, 384))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 512, "height": 256, "scales": ()}, "another shape"),
        ({"scales": (1, 1.5)}, "ends at 192 x 192 px"),
        ({"scales": (1, 2)}, "nothing is left"),
    ],
)
def test_growing_on_is_refused_where_it_cannot_be(changes, words, model, tmp_path):
    first = run(small(), model, tmp_path)
    fault = failed(run(small(**changes), model, tmp_path, resume=(first[0].run, 2)))
    assert words in fault.sentence
    assert len(store.finished_stages(first[0].run)) == 2


def test_a_model_that_sees_pictures_otherwise_cannot_grow_them(model, tmp_path):
    first = run(small(), model, tmp_path)
    other = replace(model, facts=replace(model.facts, latent_space="of another kind"))
    fault = failed(run(small(scales=(1, 2, 3)), other, tmp_path, resume=(first[0].run, 2)))
    assert "sees pictures otherwise" in fault.sentence


def test_another_model_of_the_same_latents_may_grow_a_picture_and_finds_none_of_its_own(model, tmp_path):
    first = run(small(), model, tmp_path)
    other = replace(model, facts=replace(model.facts, hash="other weights"))
    assert run(small(), other, tmp_path, until=1)[0].first == 1
    assert run(small(scales=(1, 2, 3)), other, tmp_path, resume=(first[0].run, 2))[0].first == 3


def test_growing_on_does_not_need_the_stages_below(model, tmp_path):
    first = run(small(), model, tmp_path)
    Path(done(first)[0].latents).write_bytes(b"half")
    grown = run(small(scales=(1, 2, 3), seed=8), model, tmp_path, resume=(first[0].run, 2))
    assert [e.stage for e in grown[0].kept] == [2]
    assert [e.stage for e in done(grown)] == [3]

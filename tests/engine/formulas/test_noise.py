import numpy as np
import pytest

from engine.formulas.noise import Noise

SHAPE = (1, 4, 8, 8)
# The first numbers of seed 0. They must never change, or a recipe would no longer make the same picture.
KNOWN = [1.317595, -0.06466765, 0.7040367]


def test_a_draw_depends_on_its_key_alone():
    a, b = Noise(5), Noise(5)
    a.step(2, 0, SHAPE)
    a.jitter(2, 0, (8, 8), 0, ((-2, 2), (-2, 2)))
    assert np.array_equal(a.stage(2.0, SHAPE), b.stage(2.0, SHAPE))


def test_a_stage_of_the_same_size_keeps_its_noise_when_a_scale_is_inserted_below():
    assert np.array_equal(Noise(5).stage(2.0, SHAPE), Noise(5).stage(3.0, SHAPE))


def test_different_keys_draw_uncorrelated_noise():
    noise = Noise(5)
    draws = [
        noise.base(SHAPE),
        noise.stage(2, SHAPE),
        noise.block(2, SHAPE),
        noise.step(2, 0, SHAPE),
        noise.step(2, 1, SHAPE),
        Noise(6).base(SHAPE),
    ]
    rows = np.stack([d.ravel() for d in draws])
    assert np.abs(np.corrcoef(rows) - np.eye(6)).max() < 0.2


def test_draws_have_unit_variance_and_are_repeatable():
    drawn = Noise(0).base((1, 4, 64, 64))
    assert drawn.dtype == np.float32
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert drawn.ravel()[:3] == pytest.approx(KNOWN, abs=1e-6)


def test_a_noise_source_replaces_only_the_draws_that_it_has():
    class Given:
        def base(self, shape):
            return np.full(shape, 2.0)

        def block(self, scale, shape):
            return np.full(shape, scale)

        def jitter(self, stage, i, view):
            return stage - 3, view

    noise = Noise(5, Given())
    assert (noise.base(SHAPE) == 2).all()
    assert (noise.block(4.0, SHAPE) == 4).all()
    assert noise.jitter(3, 0, (8, 8), 2, ((-2, 2), (-2, 2))) == (0, 2)
    assert noise.jitter(3, 0, (8, 8), 7, ((-2, 2), (-2, 2))) == (0, 2)
    assert np.array_equal(noise.stage(2, SHAPE), Noise(5).stage(2, SHAPE))


def test_noise_of_another_shape_is_refused():
    class Given:
        def base(self, shape):
            return np.zeros((1, 4, 2, 2))

    with pytest.raises(ValueError, match="shape"):
        Noise(5, Given()).base(SHAPE)

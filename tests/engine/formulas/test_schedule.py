import numpy as np
import pytest

from engine.formulas.schedule import (
    base_schedule,
    block_blurs,
    c1_per_training_time,
    cosine,
    stage_schedule,
    survival,
    with_block_blur,
)

T50 = np.arange(981, 0, -20)


def schedule_of(
    t=T50,
    economy=0.0,
    skip_residual=True,
    dilated=True,
    faithful=False,
    alphas=(3, 1, 1),
    sigmas=(0.8, 0.008),
):
    return stage_schedule(
        t, 1000, alphas, sigmas, economy, skip_residual=skip_residual, dilated=dilated, faithful=faithful
    )


def test_cosine_is_one_at_pure_noise_half_midway_and_zero_at_the_clean_end():
    assert cosine(np.array([1000.0, 500.0, 0.0]), 1000) == pytest.approx([1, 0.5, 0])


def test_coefficients_at_a_known_step():
    # t = 581, step 20 of 50: c = 0.6257...
    schedule = schedule_of()
    assert schedule.c1[20] == pytest.approx(0.245, abs=5e-4)
    assert schedule.c2[20] == pytest.approx(0.626, abs=5e-4)
    assert schedule.blur[20] == pytest.approx(0.792 * 0.6257 + 0.008, abs=5e-4)


def test_the_pull_equals_the_papers_at_fifty_uniform_steps():
    c1 = cosine(T50.astype(float), 1000) ** 3
    corrected = c1_per_training_time(3, T50.astype(float), 1000)
    assert corrected[:-1] == pytest.approx(c1[:-1], abs=1e-12)
    assert corrected[-1] < 1e-12


def test_a_long_step_pulls_like_the_short_ones_that_it_covers():
    every = c1_per_training_time(3, np.arange(999.0, -1, -1), 1000)
    uneven = np.array([999.0, 687, 146, 0])
    longest = c1_per_training_time(3, uneven, 1000)[1]
    assert 1 - longest == pytest.approx(np.prod(1 - every[999 - 687 : 999 - 146]), rel=0.02)


@pytest.mark.parametrize(("alpha1", "pull"), [(0, 1), (np.inf, 0)])
def test_extreme_exponents_pull_fully_or_not_at_all(alpha1, pull):
    assert c1_per_training_time(alpha1, np.array([999.0, 687, 146]), 1000) == pytest.approx(pull)


@pytest.mark.parametrize(("t", "survives"), [(661, 0.069), (581, 0.298), (521, 0.542), (381, 0.923)])
def test_survival_at_fifty_steps(t, survives):
    schedule = schedule_of()
    assert schedule.survival[list(T50).index(t)] == pytest.approx(survives, abs=6e-4)


@pytest.mark.parametrize("steps", [10, 20, 25, 40, 100])
def test_the_effect_of_the_pull_does_not_depend_on_the_number_of_steps(steps):
    """Half of a step's work survives at about the same noise level, whatever the spacing."""
    t = np.arange(steps)[::-1] * (1000 // steps) + 1

    def half(schedule):
        return np.interp(0.5, schedule.survival, schedule.t)

    covered = 1000 / steps  # The output of a step is at the noise level at which the step ends.
    assert half(schedule_of(t)) - covered == pytest.approx(
        half(schedule_of()) - 20, abs=max(20, 0.4 * covered)
    )


def test_survival_is_the_product_over_later_steps():
    assert survival(np.array([0.5, 0.25, 0.5])) == pytest.approx([0.375, 0.5, 1.0])


def test_economy_skips_steps_of_which_nothing_survives():
    schedule = schedule_of(economy=0.005)
    assert schedule.first == 13
    assert schedule.survival[12] < 0.005 <= schedule.survival[13]
    assert [step.index for step in schedule.steps] == list(range(13, 50))


def test_economy_skips_views_without_a_share():
    schedule = schedule_of(economy=0.05, skip_residual=False)
    c2 = cosine(T50.astype(float), 1000)
    assert schedule.c2[c2 < 0.05].tolist() == [0] * 8
    assert schedule.c2[1 - c2 < 0.05].tolist() == [1] * 7
    assert schedule.dilated_steps == 42
    assert schedule.window_steps == 43


def test_without_economy_every_step_is_evaluated():
    schedule = schedule_of(economy=0.0)
    assert (schedule.first, schedule.window_steps, schedule.dilated_steps) == (0, 50, 50)


def test_the_blur_is_skipped_where_it_would_not_reach_a_neighbour():
    schedule = schedule_of()
    assert schedule.blur[0] == pytest.approx(0.8, abs=2e-3)
    assert schedule.blur[-1] == 0
    assert schedule_of(faithful=True).blur[-1] > 0


def test_faithful_mode_uses_the_papers_pull_at_any_number_of_steps():
    t = np.arange(4)[::-1] * 250 + 1
    assert schedule_of(t, faithful=True).c1 == pytest.approx(cosine(t.astype(float), 1000) ** 3)
    assert schedule_of(t).c1[1] > schedule_of(t, faithful=True).c1[1]


def test_the_first_stage_is_not_pulled_and_has_no_dilated_views():
    schedule = base_schedule(T50)
    assert not schedule.c1.any()
    assert (schedule.window_steps, schedule.dilated_steps, schedule.first) == (50, 0, 0)


def test_the_blur_of_blocks_falls_from_its_strongest_at_the_first_step():
    # s = sigma / (2 alpha): e^1.2, 1, e^-1.2, e^-3.6 are 2, 1, 0, -2 deviations from the mean of EDM's levels.
    levels = 2 * np.exp([1.2, 0.0, -1.2, -3.6])
    assert block_blurs(levels, 0, 3.0) == pytest.approx([3, 2.85910, 1.55484, 0.00401], abs=1e-5)
    assert block_blurs(levels, 1, 3.0)[:2] == pytest.approx([3, 3])
    assert not block_blurs(levels, 1, 0.0).any()
    assert block_blurs(np.array([1.0, 0.0]), 0, 3.0)[1] == pytest.approx(0)


def test_after_the_last_step_no_block_is_blurred():
    steps = with_block_blur(schedule_of(economy=0.005), np.linspace(4, 0.03, 50), 2.0).steps
    assert steps[0].block_blur == 2
    assert [step.next_block_blur for step in steps] == [*(step.block_blur for step in steps[1:]), 0]


def test_other_stages_have_no_blur_of_blocks():
    assert not any(step.block_blur for step in (*schedule_of().steps, *base_schedule(T50).steps))
    assert base_schedule(T50[:0]).steps == ()

"""Distances and scores equal those of published code; intervals hold what they say."""

from pathlib import Path

import numpy as np
import pytest

from lab.measure.distances import (
    Estimate,
    clip_score,
    frechet,
    inception_score,
    jackknife,
    kernel,
    paired_kernel,
    polynomial_kernel,
    similarities,
)

# What torch-fidelity 0.4.0 and torchmetrics 1.9.0 computed for arrays drawn at random. fid/X: features a and b, their
# Frechet distance, unbiased kernel distance, and its mean and deviation over 100 subsets. is/X: logits, and the score
# with one split, ten, and ten after a shuffle with seed 2020. clip/X: vectors, 100 cosines of each pair, their mean.
CASES = np.load(Path(__file__).parents[2] / "reference" / "metrics-public.npz", allow_pickle=False)
FEATURE_CASES = sorted({name.split("/")[1] for name in CASES.files if name.startswith("fid/")})


def features(case):
    return CASES[f"fid/{case}/a"], CASES[f"fid/{case}/b"]


@pytest.mark.parametrize("case", FEATURE_CASES)
def test_the_frechet_distance_is_the_published_one(case):
    assert frechet(*features(case)) == pytest.approx(CASES[f"fid/{case}/frechet"], rel=1e-6)


def test_the_kernel_distance_is_the_published_one():
    assert kernel(*features("a")) == pytest.approx(CASES["fid/a/kernel"], abs=1e-9)


@pytest.mark.parametrize("case", FEATURE_CASES)
def test_the_kernel_distance_of_subsets_is_the_published_one(case):
    (a, b), size = features(case), int(CASES[f"fid/{case}/subset"])
    draw = np.random.RandomState(2020)
    made = [
        kernel(a[draw.choice(len(a), size, replace=False)], b[draw.choice(len(b), size, replace=False)])
        for _ in range(100)
    ]
    assert [np.mean(made), np.std(made)] == pytest.approx(CASES[f"fid/{case}/kernel_subsets"], rel=1e-6)


def test_fewer_items_than_dimensions_give_the_distance_of_the_means_and_covariances():
    draw = np.random.RandomState(0)
    a, b = draw.standard_normal((6, 16)), draw.standard_normal((9, 16)) + 0.5
    offset, first, second = a.mean(0) - b.mean(0), np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(first @ second).astype(complex)).sum().real
    expected = offset @ offset + np.trace(first) + np.trace(second) - 2 * root
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)


def test_shifted_features_have_the_squared_shift_as_frechet_distance():
    a = np.random.RandomState(0).standard_normal((40, 3))
    assert frechet(a, a + np.array([3, 0, 4])) == pytest.approx(25)


@pytest.mark.parametrize(("splits", "name"), [(1, "one"), (10, "ten")])
def test_the_inception_score_is_the_published_one(splits, name):
    assert inception_score(CASES["is/a/logits"], splits) == pytest.approx(CASES[f"is/a/{name}"], rel=1e-6)


def test_the_inception_score_of_shuffled_logits_is_the_published_one():
    logits = CASES["is/a/logits"]
    order = np.random.RandomState(2020).permutation(len(logits))
    assert inception_score(logits[order]) == pytest.approx(CASES["is/a/published"], rel=1e-6)


def test_the_clip_score_is_the_published_one():
    pictures, texts = CASES["clip/a/pictures"], CASES["clip/a/texts"]
    assert similarities(pictures, texts) == pytest.approx(CASES["clip/a/each"], rel=1e-6)
    assert clip_score(pictures, texts) == pytest.approx(CASES["clip/a/mean_then_clamp"], rel=1e-6)


def test_the_clip_score_is_clamped_after_the_mean():
    towards = np.array([[1.0, 0.0]])
    assert clip_score(np.repeat(towards, 2, 0), np.array([[1.0, 0.0], [-0.6, 0.8]])) == pytest.approx(20)
    assert clip_score(towards, -towards) == 0


def test_the_jackknifes_error_of_a_mean_is_its_standard_error():
    values = np.random.RandomState(0).standard_normal(30)
    estimate = jackknife(lambda kept: values[kept].mean(), np.arange(30))
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.error == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    low, high = estimate.interval
    assert high - low == pytest.approx(2 * 1.96 * estimate.error)


def test_items_of_a_group_are_left_out_together():
    seen = []
    jackknife(lambda kept: float(seen.append(kept.tolist()) or 0), np.array([5, 7, 5, 9]))
    assert seen == [[0, 1, 2, 3], [1, 3], [0, 2, 3], [0, 1, 2]]


def test_the_interval_of_a_difference_is_paired():
    draw = np.random.RandomState(0)
    shared = 10 * draw.standard_normal(40)
    shared -= shared.mean()
    a, b = shared + 1 + 0.1 * draw.standard_normal(40), shared + 0.1 * draw.standard_normal(40)
    first, second = (jackknife(lambda kept, x=x: x[kept].mean(), np.arange(40)) for x in (a, b))
    assert not first.excludes_zero
    assert (first - second).excludes_zero
    assert (first - second).value == pytest.approx(1, abs=0.1)


def group_pairs(a, b, groups):
    """The paired kernel distance by a plain statement: the mean over pairs of different groups."""
    names, terms = np.unique(groups), []
    for g in names:
        for h in names[names != g]:
            rows, columns = groups == g, groups == h
            within = [polynomial_kernel(x[rows], x[columns]).mean() for x in (a, b)]
            across = [polynomial_kernel(x[rows], y[columns]).mean() for x, y in ((a, b), (b, a))]
            terms.append(sum(within) - sum(across))
    return float(np.mean(terms))


def test_the_paired_kernel_distance_and_its_jackknife_are_those_of_the_plain_statement():
    draw = np.random.RandomState(0)
    a, b = draw.standard_normal((12, 5)), draw.standard_normal((12, 5)) + 0.3
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    plain = jackknife(lambda kept: group_pairs(a[kept], b[kept], groups[kept]), groups)
    fast = paired_kernel(a, b, groups)
    assert fast.value == pytest.approx(plain.value)
    assert fast.left_out == pytest.approx(plain.left_out)


def test_equal_sets_have_the_paired_kernel_distance_zero():
    a = np.random.RandomState(0).standard_normal((20, 5))
    estimate = paired_kernel(a, a, np.arange(20) // 2)
    assert estimate.value == pytest.approx(0, abs=1e-12)
    assert estimate.error == pytest.approx(0, abs=1e-12)


def test_the_paired_kernel_distance_is_unbiased_where_items_of_a_group_are_alike():
    made, plain, within = [], [], np.arange(24) // 3
    for seed in range(300):
        draw = np.random.RandomState(seed)
        centres = np.repeat(draw.standard_normal((8, 4)), 3, 0)
        a, b = (centres + 0.3 * draw.standard_normal((24, 4)) for _ in range(2))
        made.append(paired_kernel(a, b, within).value)
        plain.append(kernel(a, b))
    assert abs(np.mean(made)) < 3 * np.std(made) / np.sqrt(300)
    # The plain distance, which takes all items for independent, is biased here.
    assert np.mean(plain) < -0.5


def test_an_estimate_without_variation_excludes_zero():
    assert Estimate(1.0, np.ones(4)).excludes_zero
    assert not Estimate(0.0, np.zeros(4)).excludes_zero

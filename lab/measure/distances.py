"""Distances between sets of features, scores of pictures, and their confidence intervals: pure functions of arrays.

Features are arrays (items, dimensions). All is computed in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lab.world.paint import Array

# The 97.5 % quantile of the normal distribution: the half width of a 95 % interval in standard errors.
Z95 = 1.96


def frechet(a: Array, b: Array) -> float:
    """Return the Frechet distance between the normal distributions fitted to two sets of features.

    |mean a - mean b|² + tr A + tr B - 2 tr sqrt(A B), with the covariances A and B over n - 1. The last trace is the
    sum of the singular values of a product of the factors of A and B, so that no matrix root is taken.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    offset = a.mean(0) - b.mean(0)
    first, second = _covariance_factor(a), _covariance_factor(b)
    roots = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return float(offset @ offset + (first**2).sum() + (second**2).sum() - 2 * roots)


def _covariance_factor(x: Array) -> Array:
    """Return a matrix F with F^T F the covariance of the rows of x, with at most as many rows as columns."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x) > x.shape[1] else centred


def polynomial_kernel(a: Array, b: Array) -> Array:
    """Return (x.y / dimensions + 1)³ for all pairs of a row x of a and a row y of b."""
    return (np.asarray(a, float) @ np.asarray(b, float).T / a.shape[1] + 1) ** 3


def kernel(a: Array, b: Array) -> float:
    """Return the unbiased kernel distance (KID) between two independent sets of features."""
    return (
        _mean_of_others(polynomial_kernel(a, a))
        + _mean_of_others(polynomial_kernel(b, b))
        - 2 * float(polynomial_kernel(a, b).mean())
    )


def _mean_of_others(values: Array) -> float:
    """Return the mean of a square matrix without its diagonal."""
    n = len(values)
    return float((values.sum() - np.trace(values)) / (n * (n - 1)))


def inception_score(logits: Array, splits: int = 10) -> tuple[float, float]:
    """Return mean and standard deviation over the splits of the Inception score, for any classifier's logits.

    The score of a split is exp of the mean KL divergence of an item's classes to the split's. Splits are taken in the
    order of the items.
    """
    logits = np.asarray(logits, float)
    log = logits - logits.max(1, keepdims=True)
    log -= np.log(np.exp(log).sum(1, keepdims=True))
    edges = np.arange(splits + 1) * len(log) // splits
    scores = [_inception_score(log[a:b]) for a, b in pairwise(edges)]
    return float(np.mean(scores)), float(np.std(scores))


def _inception_score(log: Array) -> float:
    """Return the Inception score of items with these log probabilities of the classes."""
    share = np.exp(log)
    marginal = np.log(share.mean(0, keepdims=True))
    return float(np.exp((share * (log - marginal)).sum(1).mean()))


def similarities(pictures: Array, texts: Array) -> Array:
    """Return 100 times the cosine of each picture's vector with its text's."""
    pictures, texts = np.asarray(pictures, float), np.asarray(texts, float)
    lengths = np.linalg.norm(pictures, axis=1) * np.linalg.norm(texts, axis=1)
    return 100 * (pictures * texts).sum(1) / lengths


def clip_score(pictures: Array, texts: Array) -> float:
    """Return the mean similarity of pictures' vectors with their texts', at least 0, as torchmetrics computes it."""
    return max(0.0, float(similarities(pictures, texts).mean()))


@dataclass(frozen=True)
class Estimate:
    """A number that was computed from groups of items, with what the jackknife needs.

    Estimates of the same groups can be subtracted, which gives a paired difference.
    """

    value: float
    # The number without each of the groups in turn.
    left_out: Array

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, self.left_out - other.left_out)

    @property
    def error(self) -> float:
        """The standard error by the jackknife."""
        n = len(self.left_out)
        return float(np.sqrt((n - 1) / n * ((self.left_out - self.left_out.mean()) ** 2).sum()))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval."""
        return self.value - Z95 * self.error, self.value + Z95 * self.error

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does not hold 0."""
        low, high = self.interval
        return bool(low > 0 or high < 0)


def jackknife(statistic: Callable[[Array], float], groups: Array) -> Estimate:
    """Return the estimate of a statistic, with each group of items left out together.

    statistic: computes the number from the indices of the items that it shall use. groups: the group of each item, for
    example its prompt.
    """
    groups = np.asarray(groups)
    value = statistic(np.arange(len(groups)))
    return Estimate(value, np.array([statistic(np.flatnonzero(groups != one)) for one in np.unique(groups)]))


def paired_kernel(a: Array, b: Array, groups: Array) -> Estimate:
    """Return the unbiased kernel distance between two sets whose items belong to the same groups.

    Items of one group, such as a picture drawn from a prompt, its truth, and their crops, are not independent, so pairs
    within a group are left out of all three means. Every group counts the same. Equal sets have the distance 0. One
    matrix of sums over pairs of groups gives the distance without any group.

    groups: the group of each item, the same for a and b.
    """
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    member = (number == np.arange(number.max() + 1)[:, None]).astype(float)
    member /= member.sum(1, keepdims=True)
    means = [member @ polynomial_kernel(x, y) @ member.T for x, y in ((a, a), (b, b), (a, b))]
    terms = means[0] + means[1] - means[2] - means[2].T
    np.fill_diagonal(terms, 0)
    n, total, rows = len(terms), terms.sum(), terms.sum(1)
    return Estimate(float(total / (n * (n - 1))), (total - 2 * rows) / ((n - 1) * (n - 2)))

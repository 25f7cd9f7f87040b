"""The Fréchet distance against brute force and against the libraries that define it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.fid import fid, frechet
from harness.metrics.specs.fidelity import Fid

SPEC = Fid(use="fid")
FULL_RANK, LOW_RANK = 1e-6, 2e-4
"""What the libraries agree to: their eigenvalues lose digits where rows are fewer than features."""


class AsTheyAre(torch.nn.Module):
    """Takes features for images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    """Return correlated rows away from zero, as pooled features are."""
    mix = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return np.random.default_rng(seed).normal(size=(n, d)) @ mix + 0.4 + shift


def by_brute_force(x: Array, y: Array) -> float:
    gap = x.mean(0) - y.mean(0)
    own, theirs = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(own @ theirs)
    return float(gap @ gap + np.trace(own) + np.trace(theirs) - 2 * np.trace(root).real)


def by_torch_fidelity(x: Array, y: Array) -> float:
    both = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    return float(fid_statistics_to_metric(*both, verbose=False)["frechet_inception_distance"])


def by_torchmetrics(x: Array, y: Array) -> float:
    metric = FrechetInceptionDistance(feature=AsTheyAre(x.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(y), real=True)
    metric.update(torch.from_numpy(x), real=False)
    return float(metric.compute())


def set_of(images: Array, per_prompt: int = 2) -> FeatureSet:
    ids = [f"p{row // per_prompt}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(len(images))])


@pytest.mark.parametrize(("n", "m", "d"), [(40, 60, 3), (200, 150, 8), (100, 300, 16)])
def test_it_is_the_textbook_formula(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(m, d, 2, shift=0.3)
    assert frechet(x, y) == pytest.approx(by_brute_force(x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "m", "d", "tolerance"),
    [
        (160, 200, 64, FULL_RANK),
        (65, 300, 64, FULL_RANK),
        (24, 200, 64, LOW_RANK),
        (30, 40, 128, LOW_RANK),
    ],
)
def test_torch_fidelity_says_the_same_of_the_same_features(
    n: int, m: int, d: int, tolerance: float
) -> None:
    x, y = draw(n, d, 3), draw(m, d, 4, shift=0.2)
    assert frechet(x, y) == pytest.approx(by_torch_fidelity(x, y), rel=tolerance)


@pytest.mark.parametrize(
    ("n", "m", "d", "tolerance"),
    [
        (160, 200, 64, FULL_RANK),
        (65, 300, 64, FULL_RANK),
        (24, 200, 64, LOW_RANK),
        (30, 40, 128, LOW_RANK),
    ],
)
def test_torchmetrics_says_the_same_of_the_same_features(
    n: int, m: int, d: int, tolerance: float
) -> None:
    x, y = draw(n, d, 5), draw(m, d, 6, shift=0.2)
    assert frechet(x, y) == pytest.approx(by_torchmetrics(x, y), rel=tolerance)


def test_of_one_feature_it_is_the_distance_of_two_bells() -> None:
    x, y = draw(50, 1, 7), draw(70, 1, 8, shift=1.0) * 2
    means, spreads = (x.mean() - y.mean()) ** 2, (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet(x, y) == pytest.approx(means + spreads, rel=1e-12)


def test_a_mere_shift_costs_its_square() -> None:
    x = draw(50, 12, 9)
    assert frechet(x, x + 0.5) == pytest.approx(12 * 0.25, rel=1e-9)


sizes = st.integers(2, 40)


@given(n=sizes, d=sizes, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_set_is_no_distance_from_itself(n: int, d: int, seed: int) -> None:
    x = draw(n, d, seed)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9 * np.square(x).sum())


@given(n=sizes, m=sizes, d=sizes, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_it_is_the_same_both_ways_and_never_negative(n: int, m: int, d: int, seed: int) -> None:
    x, y = draw(n, d, seed), draw(m, d, seed + 1, shift=0.1)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-9)
    assert frechet(x, y) >= -1e-9


@given(n=sizes, m=sizes, d=sizes, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(n: int, m: int, d: int, seed: int) -> None:
    x, y = draw(n, d, seed), draw(m, d, seed + 1, shift=0.1)
    turned = np.random.default_rng(seed).permutation(x)
    assert frechet(turned, y) == pytest.approx(frechet(x, y), rel=1e-9)


@given(n=sizes, m=sizes, d=st.integers(2, 12), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_turning_all_features_together_does_not_matter(n: int, m: int, d: int, seed: int) -> None:
    x, y = draw(n, d, seed), draw(m, d, seed + 1, shift=0.1)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    assert frechet(x @ turn, y @ turn) == pytest.approx(frechet(x, y), rel=1e-8)


def test_the_measurement_has_its_value_inside_its_interval() -> None:
    own, reference = set_of(draw(40, 6, 10)), set_of(draw(60, 6, 11, shift=0.3))
    measured = fid(SPEC, Evidence(own, {"reference": reference}))
    assert measured.value == pytest.approx(frechet(own.images, reference.images), rel=1e-9)
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low < measured.value < measured.high
    assert measured.n == 40


@pytest.mark.parametrize("own", [set_of(draw(6, 4, 12), per_prompt=6), set_of(draw(2, 4, 13), 1)])
def test_too_few_prompts_or_images_give_a_reason_and_no_value(own: FeatureSet) -> None:
    measured = fid(SPEC, Evidence(own, {"reference": set_of(draw(20, 4, 14))}))
    assert (measured.value, measured.low, measured.high) == (None, None, None)
    assert measured.n == len(own.images)
    assert measured.reason is not None
    assert "needs 2 prompts and 3 images" in measured.reason


THREE_OF_ONE = FeatureSet(draw(4, 4, 18), [], ["a", "a", "a", "b"], [1, 2, 3, 1])


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize(
    ("own", "reference"),
    [(set_of(draw(6, 4, 19)), set_of(draw(1, 4, 20))), (THREE_OF_ONE, set_of(draw(20, 4, 21)))],
    ids=["a reference of one picture", "one image left without its largest prompt"],
)
def test_a_single_row_on_either_side_gives_a_reason(own: FeatureSet, reference: FeatureSet) -> None:
    measured = fid(SPEC, Evidence(own, {"reference": reference}))
    assert (measured.low, measured.high) == (None, None)
    assert measured.reason is not None


def test_its_label_carries_the_number_of_images() -> None:
    assert SPEC.label(72) == "fid@n=72"

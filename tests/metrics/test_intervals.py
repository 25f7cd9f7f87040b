"""Intervals: how often they hold the truth, and what their unit is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from harness.extractors.specs import AestheticModel, OpenClip
from harness.interfaces import Array, FeatureSet, Measurement
from harness.metrics.aesthetic import aesthetic
from harness.metrics.clip_score import clip_score
from harness.metrics.intervals import bootstrap_mean, clusters, jackknife
from harness.metrics.kid import kernel, kid
from harness.metrics.specs.fidelity import Kid
from harness.metrics.specs.prompt import ClipScore
from harness.metrics.specs.quality import Aesthetic

LABEL = AestheticModel(model="any")
DRAWS = 200
PROMPTS, SEEDS = 30, 3
IDS = [f"p{number}" for number in range(PROMPTS) for _ in range(SEEDS)]


def clustered(rng: np.random.Generator, d: int) -> Array:
    """Return PROMPTS × SEEDS rows; half of their variance is the prompt's."""
    prompt = rng.normal(size=(PROMPTS, 1, d)) * np.sqrt(0.5)
    image = rng.normal(size=(PROMPTS, SEEDS, d)) * np.sqrt(0.5)
    return (prompt + image).reshape(-1, d)


def seen_by(rows: Array, shift: float) -> Array:
    """Return the mean kernel of each row with x ~ N(shift, I): E z³ of z ~ N(a, v) is a³ + 3av."""
    d = rows.shape[1]
    a, v = rows.sum(1) * shift / d + 1, np.square(rows).sum(1) / d**2
    return a**3 + 3 * a * v


def share_that_hold(intervals: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def test_a_prompt_is_numbered_as_it_first_appears() -> None:
    assert clusters(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_the_bootstrap_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [bootstrap_mean(clustered(rng, 1)[:, 0], IDS, seed) for seed in range(DRAWS)]
    assert 0.90 <= share_that_hold(intervals, 0.0) <= 0.99


def test_taking_each_image_for_a_prompt_of_its_own_would_promise_too_much() -> None:
    rng = np.random.default_rng(0)
    alone = [str(row) for row in range(len(IDS))]
    intervals = [bootstrap_mean(clustered(rng, 1)[:, 0], alone, seed) for seed in range(DRAWS)]
    assert share_that_hold(intervals, 0.0) < 0.88


def test_the_jackknife_of_kid_holds_the_truth_as_often_as_it_says() -> None:
    d, shift = 8, 0.4
    real = np.random.default_rng(1).normal(size=(60, d))
    among_real = kernel(real, real)[~np.eye(60, dtype=bool)].mean()
    many = np.random.default_rng(2).normal(size=(200_000, d)) + shift
    # The reference is held fixed: the truth is how far the model's pictures lie from its rows.
    truth = seen_by(many, shift).mean() + among_real - 2 * seen_by(real, shift).mean()
    rng = np.random.default_rng(3)
    intervals = []
    for _ in range(DRAWS):
        rows = rng.normal(size=(40, d)) + shift
        names = [str(row) for row in range(40)]
        measured = kid(Kid(use="kid"), FeatureSet(rows, names, names, []), set_of(real))
        assert measured.low is not None
        assert measured.high is not None
        intervals.append((measured.low, measured.high))
    assert 0.88 <= share_that_hold(intervals, float(truth)) <= 0.99


def set_of(images: Array) -> FeatureSet:
    names = [str(row) for row in range(len(images))]
    return FeatureSet(images, names, names, [])


def test_the_jackknife_of_kid_allows_for_images_that_share_a_prompt() -> None:
    real = set_of(np.random.default_rng(1).normal(size=(60, 8)))
    rng = np.random.default_rng(3)
    measured = [
        kid(Kid(use="kid"), FeatureSet(clustered(rng, 8) + 0.4, IDS, IDS, []), real)
        for _ in range(DRAWS)
    ]
    centre = float(np.mean([each.value for each in measured if each.value is not None]))
    intervals = [(each.low or 0.0, each.high or 0.0) for each in measured]
    assert 0.88 <= share_that_hold(intervals, centre) <= 0.99


def test_the_jackknife_of_a_mean_is_the_textbook_interval() -> None:
    values = np.random.default_rng(4).normal(size=20)
    names = [str(row) for row in range(20)]
    low, high = jackknife(float(values.mean()), lambda kept: float(values[kept].mean()), names)
    expected = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected, rel=1e-12)


def test_the_jackknife_leaves_out_whole_prompts() -> None:
    kept_rows = []

    def without(kept: NDArray[np.bool_]) -> float:
        kept_rows.append(kept.tolist())
        return 0.0

    assert jackknife(0.5, without, ["a", "b", "a"]) == (0.5, 0.5)
    assert kept_rows == [[False, True, False], [True, False, True]]


values_lists = st.lists(st.floats(-100, 100), min_size=2, max_size=20)


@given(values=values_lists)
@settings(max_examples=50, deadline=None)
def test_a_bootstrap_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = bootstrap_mean(np.array(values), [str(row) for row in range(len(values))])
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@given(values=values_lists, seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_a_bootstrap_interval_is_the_same_each_time(values: list[float], seed: int) -> None:
    names = [str(row) for row in range(len(values))]
    first = bootstrap_mean(np.array(values), names, seed)
    assert bootstrap_mean(np.array(values), names, seed) == first


def test_a_bootstrap_weighs_prompts_by_their_images() -> None:
    low, high = bootstrap_mean(np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"])
    assert (low, high) == (0.0, 1.0)


def test_an_aesthetic_score_is_the_mean_probability_of_its_images() -> None:
    probabilities = np.array([[0.2], [0.4], [0.9], [0.5]])
    own = FeatureSet(probabilities, [], ["a", "a", "b", "b"], [1, 2, 1, 2])
    measured = aesthetic(Aesthetic(use="aesthetic", features=LABEL), own, None)
    assert measured.value == pytest.approx(0.5)
    assert measured.low == pytest.approx(0.3)
    assert measured.high == pytest.approx(0.7)
    assert measured.samples is not None
    assert measured.samples.tolist() == [0.2, 0.4, 0.9, 0.5]


def mean_of_probabilities(own: FeatureSet) -> Measurement:
    return aesthetic(Aesthetic(use="aesthetic", features=LABEL), own, None)


def mean_of_cosines(own: FeatureSet) -> Measurement:
    return clip_score(ClipScore(use="clip-score", features=OpenClip(model="any")), own, None)


@pytest.mark.parametrize("measure", [mean_of_probabilities, mean_of_cosines])
def test_a_single_prompt_gives_a_reason_and_no_interval(
    measure: Callable[[FeatureSet], Measurement],
) -> None:
    rows = np.array([[0.2], [0.4], [0.9]])
    measured = measure(FeatureSet(rows, [], ["a"] * 3, [1, 2, 3], texts=rows))
    assert (measured.low, measured.high) == (None, None)
    assert measured.reason is not None

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
from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.aesthetic import aesthetic
from harness.metrics.clip_score import clip_score
from harness.metrics.intervals import jackknife, mean_of, share_of
from harness.metrics.kid import kernel, kid
from harness.metrics.specs.fidelity import Kid
from harness.metrics.specs.prompt import ClipScore
from harness.metrics.specs.quality import Aesthetic
from harness.metrics.statistics.intervals import half_width, skewness_corrected
from harness.metrics.statistics.jackknife import clusters

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


def interval_of(values: Array, ids: list[str]) -> tuple[float, float]:
    measured = mean_of(values, FeatureSet(values[:, None], ids, ids, []))
    assert measured.low is not None
    assert measured.high is not None
    return measured.low, measured.high


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [interval_of(clustered(rng, 1)[:, 0], IDS) for _ in range(1000)]
    assert 0.93 <= share_that_hold(intervals, 0.0) <= 0.97


def test_taking_each_image_for_a_prompt_of_its_own_would_promise_too_much() -> None:
    rng = np.random.default_rng(0)
    alone = [str(row) for row in range(len(IDS))]
    intervals = [interval_of(clustered(rng, 1)[:, 0], alone) for _ in range(DRAWS)]
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
        measured = kid(
            Kid(use="kid"),
            Evidence(FeatureSet(rows, names, names, []), {"reference": set_of(real)}),
        )
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
        kid(
            Kid(use="kid"),
            Evidence(FeatureSet(clustered(rng, 8) + 0.4, IDS, IDS, []), {"reference": real}),
        )
        for _ in range(DRAWS)
    ]
    centre = float(np.mean([each.value for each in measured if each.value is not None]))
    intervals = [(each.low or 0.0, each.high or 0.0) for each in measured]
    assert 0.88 <= share_that_hold(intervals, centre) <= 0.99


def test_the_jackknife_of_a_mean_is_the_textbook_interval() -> None:
    half = np.abs(np.random.default_rng(4).normal(size=10))
    values = np.concatenate([half, -half])
    names = [str(row) for row in range(20)]
    own = set_of(values[:, None])
    measured = jackknife(float(values.mean()), lambda kept: float(values[kept].mean()), own)
    expected = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert (measured.low, measured.high) == pytest.approx(expected, rel=1e-12)
    assert measured.prompts == pytest.approx(values), "a mean's pseudo-values are the values"
    assert names == list(own.prompt_ids)


def share_missed(
    long_tail: bool, ends: Callable[[Array], tuple[float | Array, float | Array]]
) -> Array:
    """Return how often the truth lies below, and above, the interval of 32 skewed values."""
    rng, missed = np.random.default_rng(5), np.zeros(2)
    for _ in range(4000):
        values = rng.exponential(size=32) if long_tail else rng.normal(size=32)
        down, up = ends(values)
        truth = 1.0 if long_tail else 0.0
        missed += truth < values.mean() - down, truth > values.mean() + up
    return missed / 4000


def test_an_interval_of_values_with_a_long_tail_is_corrected_for_their_skewness() -> None:
    plain = share_missed(True, lambda values: (half_width(values), half_width(values)))
    corrected = share_missed(True, skewness_corrected)
    assert plain[1] > 0.055, "t alone misses above more than twice as often as it says"
    assert corrected[1] < 0.04
    assert corrected.sum() < plain.sum()
    assert share_missed(False, skewness_corrected).sum() == pytest.approx(0.05, abs=0.01)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_ends_mirror_and_never_lose_the_value(values: list[float]) -> None:
    each = np.array(values)
    down, up = skewness_corrected(each)
    assert down >= 0
    assert up >= 0
    mirrored = [float(end) for end in skewness_corrected(-each)]
    assert mirrored == pytest.approx([float(up), float(down)], rel=1e-6, abs=1e-9)


def test_a_share_of_images_that_are_their_own_prompts_has_the_textbook_interval() -> None:
    flags = np.arange(20) < 3
    measured = share_of(flags, set_of(np.zeros((20, 1))), 100.0)
    expected = stats.binomtest(3, 20).proportion_ci(method="exact")
    # 19 and not 20 images are independent by the spread between them, which divides by n − 1.
    assert measured.value == pytest.approx(15)
    assert measured.low == pytest.approx(100 * expected.low, abs=0.2)
    assert measured.high == pytest.approx(100 * expected.high, abs=0.8)
    assert measured.samples is not None
    assert measured.samples.tolist() == [100.0] * 3 + [0.0] * 17


@pytest.mark.parametrize("truth", [0.0, 0.02, 0.3, 0.97])
def test_the_interval_of_a_share_holds_the_truth_at_least_as_often_as_it_says(truth: float) -> None:
    rng, held = np.random.default_rng(6), []
    for _ in range(500):
        # A prompt's images are flagged together half of the time.
        prompt, image = rng.random((PROMPTS, 1)), rng.random((PROMPTS, SEEDS))
        together = rng.random((PROMPTS, 1)) < 0.5
        flags = np.where(together, prompt, image).ravel() < truth
        own = FeatureSet(np.zeros((len(IDS), 1)), IDS, IDS, [])
        measured = share_of(flags, own)
        assert measured.low is not None
        assert measured.high is not None
        assert 0 <= measured.low <= measured.high <= 1
        held.append(measured.low <= truth <= measured.high)
    assert np.mean(held) >= 0.93


def test_the_jackknife_leaves_out_whole_prompts() -> None:
    kept_rows = []

    def without(kept: NDArray[np.bool_]) -> float:
        kept_rows.append(kept.tolist())
        return 0.5

    own = FeatureSet(np.zeros((3, 1)), [], ["a", "b", "a"], [])
    measured = jackknife(0.5, without, own)
    assert (measured.low, measured.high) == (0.5, 0.5)
    assert kept_rows == [[False, True, False], [True, False, True]]


values_lists = st.lists(st.floats(-100, 100), min_size=2, max_size=20)


@given(values=values_lists, prompts=st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_the_closed_form_of_a_mean_is_the_jackknife(values: list[float], prompts: int) -> None:
    each = np.array(values)
    ids = [str(row % min(prompts, len(each))) for row in range(len(each))]
    own = FeatureSet(each[:, None], ids, ids, [])
    closed = mean_of(each, own)
    naive = jackknife(float(each.mean()), lambda kept: float(each[kept].mean()), own)
    assert closed.low == pytest.approx(naive.low, abs=1e-6)
    assert closed.prompts == pytest.approx(naive.prompts, abs=1e-6)


def test_an_aesthetic_score_is_the_mean_probability_of_its_images() -> None:
    probabilities = np.array([[0.2], [0.4], [0.9], [0.5]])
    own = FeatureSet(probabilities, [], ["a", "a", "b", "b"], [1, 2, 1, 2])
    measured = aesthetic(Aesthetic(use="aesthetic", features=LABEL), Evidence(own))
    assert measured.value == pytest.approx(0.5)
    # Two prompts, of mean 0.3 and 0.7: the standard error is 0.2, and t of one degree 12.706.
    assert measured.high == pytest.approx(0.5 + 0.2 * 12.7062, rel=1e-5)
    assert measured.samples is not None
    assert measured.samples.tolist() == [0.2, 0.4, 0.9, 0.5]


def mean_of_probabilities(own: FeatureSet) -> Measurement:
    return aesthetic(Aesthetic(use="aesthetic", features=LABEL), Evidence(own))


def mean_of_cosines(own: FeatureSet) -> Measurement:
    return clip_score(ClipScore(use="clip-score", features=OpenClip(model="any")), Evidence(own))


@pytest.mark.parametrize("measure", [mean_of_probabilities, mean_of_cosines])
def test_a_single_prompt_gives_a_reason_and_no_interval(
    measure: Callable[[FeatureSet], Measurement],
) -> None:
    rows = np.array([[0.2], [0.4], [0.9]])
    measured = measure(FeatureSet(rows, [], ["a"] * 3, [1, 2, 3], texts=rows))
    assert (measured.low, measured.high) == (None, None)
    assert measured.reason is not None

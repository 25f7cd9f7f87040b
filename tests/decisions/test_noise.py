"""Noise: that estimates find what was put in, and that margins hold as often as they say."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from contenders import contender, normal, with_result, with_score
from scipy import stats

from harness.decisions import noise
from harness.decisions.compare import compare
from harness.decisions.contender import Contender
from harness.decisions.finding import Rules
from harness.decisions.noise import (
    MetricNoise,
    Noise,
    Spread,
    by_rank,
    measured,
)
from harness.errors import PageError
from harness.interfaces import Array
from harness.metrics.statistics.noise import between_runs, of_difference

PROMPTS = normal(0)
"""How hard each prompt is, for every run alike."""


def trained(rng: np.random.Generator, runs: int, between: float) -> list[Contender]:
    """Return trainings drawn with the same seeds; images of a prompt differ by 0.3 between them."""
    return [
        contender(
            {"clip-score": PROMPTS + 0.3 * rng.normal(size=32) + between * rng.normal()},
            f"run{number}",
        )
        for number in range(runs)
    ]


def drawn(rng: np.random.Generator, runs: int) -> list[Contender]:
    """Return draws of one training, each with seeds of its own."""
    return [
        with_result(
            contender(
                {"clip-score": PROMPTS + 0.3 * rng.normal(size=32)},
                seeds=(2 * number, 2 * number + 1),
            ),
            signature=f"s{number}",
        )
        for number in range(runs)
    ]


def of(
    sampling: Spread | None = None, retrained: Spread | None = None, between: float | None = None
) -> Noise:
    each = MetricNoise(sampling=sampling, retrained=retrained, between=between)
    return Noise(benchmark="pocket-v1", recipe="ink", signature="s", metrics={"kid": each})


def spread(difference: float, runs: int = 16) -> Spread:
    return Spread(runs=runs, difference=difference, alarms=0.05)


def test_the_difference_of_two_runs_spreads_as_their_values_say() -> None:
    values = np.random.default_rng(0).normal(scale=2.0, size=(4000, 5))
    squares = [of_difference(each) ** 2 for each in values]
    assert np.mean(squares) == pytest.approx(8.0, rel=0.05)
    assert of_difference(np.array([1.0, 3.0])) == pytest.approx(2.0)


def test_the_spread_of_trainings_is_what_images_leave_over() -> None:
    values = np.array([1.0, 2.0, 3.0])
    assert between_runs(values, 0.0) == pytest.approx(1.0)
    assert between_runs(values, 0.64) == pytest.approx(0.6)
    assert between_runs(values, 2.0) == 0.0
    many = np.random.default_rng(1).normal(scale=np.hypot(2.0, 1.0), size=(4000, 6))
    found = [between_runs(each, 1.0) ** 2 for each in many]
    assert np.mean(found) == pytest.approx(4.0, rel=0.05)


def test_a_margin_is_what_two_equal_runs_stay_within_19_times_in_20() -> None:
    margin = of(spread(np.sqrt(2) * 0.7)).margin("kid")
    assert margin is not None
    pairs = np.random.default_rng(2).normal(scale=0.7, size=(20_000, 2))
    within = np.abs(pairs[:, 0] - pairs[:, 1]) <= margin
    assert within.mean() == pytest.approx(0.95, abs=0.005)


def test_the_wider_kind_of_pairs_sets_the_margin() -> None:
    assert of(spread(1.0), spread(2.0)).margin("kid") == pytest.approx(3.92)
    assert of(spread(1.0)).margin("kid") == pytest.approx(1.96)
    assert of().margin("kid") is None
    assert of().margin("fid") is None


def test_few_trainings_know_their_spread_less_well() -> None:
    wide = [of(None, spread(1.0, runs), 0.5).between("kid") or 0.0 for runs in (2, 3, 9, 200)]
    assert wide == sorted(wide, reverse=True)
    assert wide[2] == pytest.approx(0.5 * stats.t.isf(0.025, 8) / 1.96)
    assert wide[3] == pytest.approx(0.5, rel=0.01)
    assert of(spread(1.0)).between("kid") is None


def test_runs_are_worth_a_pair_less_and_trainings_speak_for_recipes() -> None:
    found = of(spread(1.0, runs=9), spread(1.0, runs=5))
    assert (found.pairs("kid", "file"), found.pairs("kid", "recipe")) == (8, 4)
    assert found.pairs("fid", "file") == 0


@pytest.mark.slow
def test_room_is_what_intervals_of_equal_runs_reach_to_in_99_of_100_cases() -> None:
    rng = np.random.default_rng(11)
    draws = drawn(rng, 40)
    found = measured(draws[0].result, draws, [])
    room = found.room("clip-score", "file")
    assert room is not None
    pairs = [
        compare(a, b, Rules(force=True)).metrics[0]
        for a, b in combinations([by_rank(each) for each in drawn(rng, 40)], 2)
    ]
    ends = [-(each.low or 0.0) for each in pairs] + [each.high or 0.0 for each in pairs]
    assert 0.96 <= np.mean(np.array(ends) <= room) <= 1
    assert (found.margin("clip-score") or 0) < room
    assert of(spread(1.0)).room("kid", "file") is None, "nobody measured how far intervals reach"


def test_noise_is_measured_as_it_was_put_in() -> None:
    rng = np.random.default_rng(3)
    draws, trainings = drawn(rng, 10), trained(rng, 14, between=0.2)
    found = measured(trainings[0].result, draws, trainings).metrics["clip-score"]
    assert found.sampling is not None
    assert found.retrained is not None
    assert (found.sampling.runs, found.retrained.runs) == (10, 14)
    of_images = 0.3 / np.sqrt(32)
    assert found.sampling.difference == pytest.approx(np.sqrt(2) * of_images, rel=0.4)
    assert found.retrained.difference == pytest.approx(
        np.sqrt(2) * np.hypot(0.2, of_images), rel=0.4
    )
    assert found.between == pytest.approx(0.2, rel=0.4)
    assert found.sampling.alarms < 0.15, "an interval holds for other seeds"
    assert found.retrained.alarms > 0.4, "no interval of images knows of trainings"


def test_trainings_that_differ_by_their_images_alone_have_no_spread_of_their_own() -> None:
    taus = [
        measured(runs[0].result, [], runs).metrics["clip-score"].between or 0.0
        for seed in range(8)
        for runs in [trained(np.random.default_rng(seed), 5, between=0.0)]
    ]
    assert np.sqrt(np.mean(np.square(taus))) < 0.3 / np.sqrt(32)
    assert taus.count(0.0) >= 2


def test_a_distance_has_noise_too_though_no_image_has_a_value() -> None:
    rng = np.random.default_rng(4)
    runs = [contender({}, kid=PROMPTS + 0.3 * rng.normal(size=32)) for _ in range(4)]
    found = measured(runs[0].result, [], runs)
    assert (found.margin("kid") or 0.0) > 0
    assert (found.benchmark, found.recipe, found.signature) == ("pocket-v1", "ink", "s")


def test_what_no_two_runs_have_is_not_known() -> None:
    runs = trained(np.random.default_rng(5), 3, between=0.1)
    blank = {"value": None, "low": None, "high": None, "reason": "no network"}
    broken = [with_score(run, "clip-score", **blank) for run in runs[:2]]
    assert measured(runs[0].result, [], [*broken, runs[2]]).metrics == {}
    assert measured(runs[0].result, runs[:1], runs[:1]).metrics == {}
    kinds = measured(runs[0].result, [], runs).metrics["clip-score"]
    assert kinds.sampling is None
    assert kinds.retrained is not None


def test_noise_is_kept_beside_the_baseline(tmp_path: Path) -> None:
    baseline, known = tmp_path / "ink.step300.json", of(spread(1.0), spread(2.0), 0.5)
    assert noise.read(baseline) is None
    file = noise.write(baseline, known)
    assert file == tmp_path / "ink.step300.noise.json"
    assert noise.read(baseline) == known
    assert json.loads(file.read_text())["metrics"]["kid"]["between"] == 0.5


@pytest.mark.parametrize("text", ["{}", "not json", '{"metrics": {"kid": {"between": NaN}}}'])
def test_a_file_that_is_no_noise_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "ink.noise.json").write_text(text, encoding="utf-8")
    with pytest.raises(PageError, match=r"ink\.noise\.json:1: is no noise file"):
        noise.read(tmp_path / "ink.json")


def test_sizes_are_finite_and_not_below_zero() -> None:
    for size in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="difference"):
            spread(size)


def values(runs: list[Contender]) -> Array:
    return np.array([run.result.scores[0].value for run in runs])


def test_the_order_of_runs_changes_nothing() -> None:
    runs = trained(np.random.default_rng(6), 4, between=0.1)
    there, back = (measured(runs[0].result, [], each) for each in (runs, runs[::-1]))
    one, other = there.metrics["clip-score"], back.metrics["clip-score"]
    assert one.between == pytest.approx(other.between)
    assert one.retrained is not None
    assert one.retrained.difference == pytest.approx(of_difference(values(runs)))

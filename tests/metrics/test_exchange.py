"""Values after an exchange, had from what both sets share, are those of the metric itself."""

from __future__ import annotations

import numpy as np
import pytest

from harness.extractors.specs import Lite0
from harness.interfaces import Evidence, FeatureSet, MetricSpec
from harness.metrics import exchange, exchange_frechet
from harness.metrics.specs.fidelity import Coverage, Density, Fid, FidInfinity, Precision, Recall
from harness.metrics.statistics.jackknife import clusters
from harness.metrics.statistics.paired import swap_p
from harness.plugins import implementation

LITE0 = Lite0(use="lite0")
METRICS: list[MetricSpec] = [
    Fid(use="fid", features=LITE0),
    Precision(use="precision", features=LITE0),
    Recall(use="recall", features=LITE0),
    Density(use="density", features=LITE0),
    Coverage(use="coverage", features=LITE0),
]


def rows(n: int, d: int, seed: int, shift: float = 0.0, per_prompt: int = 2) -> FeatureSet:
    images = np.random.default_rng(seed).normal(size=(n, d)) + shift
    ids = [f"p{row // per_prompt}" for row in range(n)]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(n)])


def anew(metric: MetricSpec, own: FeatureSet, images: np.ndarray, real: FeatureSet) -> float:
    judged = FeatureSet(images, own.prompts, own.prompt_ids, own.seeds)
    value = implementation(metric)(metric, Evidence(judged, {"reference": real})).value
    assert value is not None
    return float(value)


@pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.use)
@pytest.mark.parametrize(("n", "m", "d"), [(40, 40, 6), (40, 31, 6), (32, 60, 50)])
def test_each_exchange_has_the_value_of_the_metric(
    metric: MetricSpec, n: int, m: int, d: int
) -> None:
    a, b, real = rows(n, d, 1), rows(n, d, 2, shift=0.4), rows(m, d, 3)
    values = exchange.values_of(metric, a, b, {"reference": real})
    rng = np.random.default_rng(4)
    for swapped in (np.zeros(n, bool), np.ones(n, bool), *(rng.random((6, n)) < 0.5)):
        chosen = swapped[:, None]
        one = anew(metric, a, np.where(chosen, b.images, a.images), real)
        other = anew(metric, b, np.where(chosen, a.images, b.images), real)
        assert values(swapped) == pytest.approx((one, other), rel=1e-9)


def test_a_metric_without_a_quick_way_is_measured_anew() -> None:
    metric = FidInfinity(use="fid-infinity", features=LITE0)
    a, b, real = rows(48, 4, 1), rows(48, 4, 2), rows(60, 4, 3)
    swapped = np.arange(48) % 4 < 2
    values = exchange.values_of(metric, a, b, {"reference": real})
    one = anew(metric, a, np.where(swapped[:, None], b.images, a.images), real)
    assert values(swapped)[0] == one


def test_where_the_metric_has_no_value_there_is_none_after_an_exchange() -> None:
    metric = METRICS[1]
    few, real = rows(4, 3, 1), rows(40, 3, 2)
    values = exchange.values_of(metric, few, few, {"reference": real})
    assert np.isnan(values(np.zeros(4, bool))).all()


@pytest.mark.parametrize(("shift", "slope", "d"), [(0, 0, 90), (0.03, 0.7, 90), (0.5, 1, 200)])
def test_estimates_count_the_exchanges_that_computing_all_of_them_counts(
    shift: float, slope: float, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (1.0 + np.arange(d)) ** -slope
    a, b, real = (rows(48, d, seed) for seed in (1, 2, 3))
    for each, more in ((a, 0), (b, shift), (real, 0)):
        each.images[:] = each.images * shape * (1 + more)
    values = exchange.values_of(METRICS[0], a, b, {"reference": real})
    assert isinstance(values, exchange_frechet.FrechetValues)
    computed: list[int] = []
    every = swap_p(lambda swap: values(swap), clusters(a.prompt_ids), 149)
    sided = values._sided
    monkeypatch.setattr(values, "_sided", lambda *given: computed.append(1) or sided(*given))
    monkeypatch.setattr(exchange_frechet, "LEAST", 1)
    assert swap_p(values, clusters(a.prompt_ids), 149) == every
    assert 32 <= len(computed) < 149


@pytest.mark.parametrize(("d", "slope", "more"), [(12, 0, 0.2), (12, 2, 0.05), (70, 3, 0.1)])
def test_rounding_moves_no_exchange_of_few_images_to_the_other_side(
    d: int, slope: float, more: float
) -> None:
    shape = (1.0 + np.arange(d)) ** -slope
    a, b, real = (rows(32, d, seed).images * shape for seed in (1, 2, 3))
    values = exchange_frechet.FrechetValues(np.concatenate([a, b * (1 + more)]), real)
    cluster = np.arange(32) // 2
    assert swap_p(values, cluster, 99) == swap_p(lambda swap: values(swap), cluster, 99)


def test_images_that_are_all_alike_have_no_difference_after_an_exchange() -> None:
    alike, real = np.ones((16, 5)), np.ones((20, 5))
    values = exchange_frechet.FrechetValues(np.concatenate([alike, alike]), real)
    assert swap_p(values, np.arange(16), 19) == 1


def test_sets_that_are_alike_leave_every_exchange_to_be_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_frechet, "LEAST", 1)
    a, real = rows(40, 60, 1), rows(40, 60, 2)
    values = exchange.values_of(METRICS[0], a, a, {"reference": real})
    assert swap_p(values, clusters(a.prompt_ids), 99) == 1.0


def test_a_row_whose_nearest_are_all_of_the_other_set_still_finds_its_own() -> None:
    crowd = rows(160, 3, 1)
    far = rows(160, 3, 2)
    far.images[:] += np.where(np.arange(160) < 150, 0, 50)[:, None]
    real = rows(160, 3, 3)
    values = exchange.values_of(METRICS[2], far, crowd, {"reference": real})
    one, other = values(np.zeros(160, bool))
    assert one == anew(METRICS[2], far, far.images, real)
    assert other == anew(METRICS[2], crowd, crowd.images, real)

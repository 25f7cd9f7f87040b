"""Precision, recall, density and coverage against brute force and torch-fidelity."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics import prdc
from harness.metrics.specs.fidelity import Coverage, Density, Precision, Recall

PRECISION, RECALL = Precision(use="precision"), Recall(use="recall")
DENSITY, COVERAGE = Density(use="density"), Coverage(use="coverage")
ALL: list[tuple[Any, Callable[..., Measurement]]] = [
    (PRECISION, prdc.precision),
    (RECALL, prdc.recall),
    (DENSITY, prdc.density),
    (COVERAGE, prdc.coverage),
]
NAMES = [spec.use for spec, _ in ALL]


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def set_of(images: Array, per_prompt: int = 2) -> FeatureSet:
    ids = [f"p{row // per_prompt}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(len(images))])


def evidence(own: FeatureSet, reference: Array) -> Evidence:
    return Evidence(own, {"reference": set_of(reference, 1)})


def radius(rows: Array, at: int, k: int) -> float:
    return sorted(float(np.linalg.norm(rows[at] - each)) for each in np.delete(rows, at, 0))[k - 1]


def within(x: Array, y: Array, radii: list[float]) -> Array:
    """Return whether row i of x is in the neighbourhood of row j of y."""
    return np.array(
        [[np.linalg.norm(a - b) <= r for b, r in zip(y, radii, strict=True)] for a in x]
    )


def by_brute_force(x: Array, y: Array, k: int) -> list[float]:
    """Return all four, pair by pair."""
    in_y = within(x, y, [radius(y, at, k) for at in range(len(y))])
    in_x = within(y, x, [radius(x, at, k) for at in range(len(x))])
    return [in_y.any(1).mean(), in_x.any(1).mean(), in_y.sum() / (k * len(x)), in_y.any(0).mean()]


@pytest.mark.parametrize("block", [prdc.HELD, 7 * 24])
@pytest.mark.parametrize("at", range(4), ids=NAMES)
def test_it_is_what_counting_pairs_gives(
    at: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prdc, "HELD", block)
    x, y = draw(24, 3, 1), draw(24, 3, 2, shift=0.8)
    spec, measure = ALL[at]
    assert measure(spec, evidence(set_of(x), y)).value == pytest.approx(by_brute_force(x, y, 5)[at])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "per"), [(24, 3, 2), (40, 2, 4), (61, 3, 7)])
@pytest.mark.parametrize("at", range(4), ids=NAMES)
def test_pseudo_values_leave_out_a_prompt_and_count_anew(at: int, n: int, d: int, per: int) -> None:
    x, y = draw(n, d, 3), draw(n, d, 4, shift=0.8)
    spec, measure = ALL[at]
    measured = measure(spec, evidence(set_of(x, per), y))
    prompts = np.arange(n) // per
    many = prompts.max() + 1
    left = [by_brute_force(x[prompts != prompt], y, 5)[at] for prompt in range(many)]
    assert measured.value is not None
    assert measured.prompts == pytest.approx(many * measured.value - (many - 1) * np.array(left))


@pytest.mark.parametrize(("n", "d", "k"), [(60, 4, 3), (200, 64, 5), (150, 2, 1)])
def test_torch_fidelity_says_the_same_of_the_same_features(n: int, d: int, k: int) -> None:
    x, y = draw(n, d, 5), draw(n, d, 6, shift=0.4)
    theirs = prc_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        prc_neighborhood=k,
        prc_batch_size=10000,
        save_cpu_ram=False,
        verbose=False,
    )
    given = evidence(set_of(x), y)
    precision = prdc.precision(Precision(use="precision", k=k), given).value
    recall = prdc.recall(Recall(use="recall", k=k), given).value
    # torch-fidelity keeps its shares in single precision
    assert precision == pytest.approx(theirs["precision"], rel=1e-6)
    assert recall == pytest.approx(theirs["recall"], rel=1e-6)


@pytest.mark.parametrize(("spec", "measure"), ALL, ids=NAMES)
@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 44), (44, 30)])
def test_the_order_of_rows_does_not_matter(
    spec: Any, measure: Callable[..., Measurement], n: int, m: int
) -> None:
    own, reference = set_of(draw(n, 4, 7)), set_of(draw(m, 4, 8, shift=0.3), 1)
    rng = np.random.default_rng(9)
    turned = Evidence(
        own.take(rng.permutation(n)), {"reference": reference.take(rng.permutation(m))}
    )
    one, other = measure(spec, Evidence(own, {"reference": reference})), measure(spec, turned)
    assert (one.n, one.notes) == (other.n, other.notes)
    assert one.value == pytest.approx(other.value)
    assert one.low == pytest.approx(other.low)


@pytest.mark.parametrize(("spec", "measure"), ALL, ids=NAMES)
@pytest.mark.parametrize(("n", "m"), [(30, 44), (44, 30)])
def test_unequal_sets_are_cut_to_one_size_and_say_so(
    spec: Any, measure: Callable[..., Measurement], n: int, m: int
) -> None:
    measured = measure(spec, evidence(set_of(draw(n, 4, 10)), draw(m, 4, 11)))
    assert measured.n == 30
    assert measured.notes == (
        f"{n} images and {m} reference pictures, both cut to 30 by a draw with seed 0",
    )
    assert measured.prompts is not None
    assert measured.prompt_ids is not None
    assert len(measured.prompts) == len(set(measured.prompt_ids))


@pytest.mark.parametrize(("spec", "measure"), ALL, ids=NAMES)
def test_a_share_and_its_interval_stay_within_bounds(
    spec: Any, measure: Callable[..., Measurement]
) -> None:
    for shift in (0.0, 0.7, 1.5, 9.0):
        measured = measure(spec, evidence(set_of(draw(20, 3, 12)), draw(20, 3, 13, shift)))
        assert measured.low is not None
        assert measured.high is not None
        assert measured.value is not None
        assert 0 <= measured.low <= measured.value <= measured.high
        assert spec is DENSITY or measured.high <= 1


def test_copies_of_the_reference_are_all_within_it_and_cover_it() -> None:
    y = draw(40, 6, 14) + 100
    values = [measure(spec, evidence(set_of(y), y)).value for spec, measure in ALL]
    assert values[:2] == [1, 1]
    assert values[2] == pytest.approx(1 + 1 / 5), "k neighbourhoods a row on average, and its own"
    assert values[3] == 1


def test_a_collapsed_set_keeps_precision_and_loses_recall_and_coverage() -> None:
    y = draw(100, 3, 15)
    x = np.repeat(y[:4], 25, 0)
    values = dict(zip(NAMES, [m(s, evidence(set_of(x), y)).value for s, m in ALL], strict=True))
    assert values["precision"] == 1
    assert values["recall"] is not None
    assert values["coverage"] is not None
    assert values["recall"] < 0.1
    assert values["coverage"] < 0.5


@pytest.mark.parametrize(("spec", "measure"), ALL, ids=NAMES)
def test_too_few_images_give_a_reason(spec: Any, measure: Callable[..., Measurement]) -> None:
    measured = measure(spec, evidence(set_of(draw(40, 3, 16)), draw(5, 3, 17)))
    assert measured.value is None
    assert measured.reason == "needs more than k = 5 images on either side, has 5"


LARGE = """
from pathlib import Path
import numpy as np
from harness.interfaces import Evidence, FeatureSet
from harness.metrics.prdc import coverage, recall
from harness.metrics.specs.fidelity import Coverage, Recall

def drawn(seed):
    rows = np.random.default_rng(seed).normal(size=(10_000, 64))
    ids = [str(row // 4) for row in range(len(rows))]
    return FeatureSet(rows, ids, ids, [row % 4 for row in range(len(rows))])

given = Evidence(drawn(1), {"reference": drawn(2)})
def peak():
    line = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
    return int(line.split()[1])  # getrusage would begin at the parent's peak

before = peak()
for spec, measure in ((Recall(use="recall"), recall), (Coverage(use="coverage"), coverage)):
    assert 0.5 < measure(spec, given).value < 1
print((peak() - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_thousand_images_are_measured_in_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200, "megabytes; all distances at once would take 800"

"""How often the headline intervals hold the truth, on a thousand prompts of the pocket world.

The pool (`performance/pool.py` makes it) is the population; a draw is 32 of its prompts with
their three seeds, as pocket-v1 has them. The truth is what the metric says of the whole pool.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.extractors.specs import Classifier
from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.kid import kid
from harness.metrics.specs.fidelity import Kid

POOL = np.load(Path(__file__).parents[1] / "golden" / "pool.npz")
PROMPTS, SEEDS, DRAWN, DRAWS = 1000, 3, 32, 200
IDS = np.repeat(np.arange(PROMPTS), SEEDS).astype(str)
SPEC = Kid(use="kid", features=Classifier(use="classifier", model="any"))


def rows_of(prompts: NDArray[np.int64]) -> NDArray[np.int64]:
    return (prompts[:, None] * SEEDS + np.arange(SEEDS)).ravel()


def by_kid(rows: NDArray[np.int64]) -> Measurement:
    features, ids = POOL["kid"].astype(np.float64), list(IDS[rows])
    real = POOL["reference"].astype(np.float64)
    names = [str(number) for number in range(len(real))]
    own, reference = FeatureSet(features[rows], ids, ids, []), FeatureSet(real, names, names, [])
    return kid(SPEC, Evidence(own, {"reference": reference}))


def by_mean(name: str, rows: NDArray[np.int64]) -> Measurement:
    values, ids = POOL[name][rows].astype(np.float64), list(IDS[rows])
    return mean_of(values, FeatureSet(values[:, None], ids, ids, []))


MEASURES = {
    "kid": by_kid,
    "clip-score": lambda rows: by_mean("cosine", rows),
    "aesthetic": lambda rows: by_mean("aesthetic", rows),
}


def held(name: str, draws: int, seed: int) -> float:
    measure, rng = MEASURES[name], np.random.default_rng(seed)
    hits = 0
    for _ in range(draws):
        order = rng.permutation(PROMPTS)
        measured, others = measure(rows_of(order[:DRAWN])), measure(rows_of(order[DRAWN:]))
        assert measured.low is not None
        assert measured.high is not None
        assert others.value is not None
        hits += measured.low <= others.value <= measured.high
    return hits / draws


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_the_interval_holds_the_large_n_value_as_often_as_it_says(name: str) -> None:
    assert 0.93 <= held(name, DRAWS, seed=0) <= 0.97


if __name__ == "__main__":
    for name in MEASURES:
        print(
            f"{name:<12} {held(name, DRAWS, 0):.3f} of {DRAWS}, {held(name, 1000, 1):.3f} of 1000"
        )

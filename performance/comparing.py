"""Exchanges of images, had from distances and products that both results share, against anew.

    python performance/comparing.py [--images 96] [--features 1280] [--draws 199]

The alternative measures each metric from nothing at each exchange, as harness did before. The
floor is what an exchange cannot do without: picking the rows of both sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from harness.extractors.specs import Lite0
from harness.interfaces import FeatureSet, MetricSpec
from harness.metrics import exchange
from harness.metrics.specs.fidelity import Coverage, Density, Fid, Precision, Recall
from harness.metrics.statistics.jackknife import clusters
from harness.metrics.statistics.paired import swap_p

KINDS = (Fid, Precision, Recall, Density, Coverage)


def rows(n: int, d: int, seed: int, shift: float = 0.0) -> FeatureSet:
    """Return features of `n` images, three a prompt."""
    images = np.random.default_rng(seed).normal(size=(n, d)) + shift
    ids = [f"p{row // 3}" for row in range(n)]
    return FeatureSet(images, ids, ids, [row % 3 for row in range(n)])


def timed(work: Callable[[], object], times: int = 3) -> float:
    """Return the median of the seconds that a piece of work takes."""
    spent = []
    for _ in range(times):
        begin = perf_counter()
        work()
        spent.append(perf_counter() - begin)
    return median(spent)


def race(kind: type[MetricSpec], images: int, features: int, draws: int) -> dict[str, object]:
    """Return the seconds of one metric's exchanges both ways, their p-values, and the floor."""
    metric = kind(use=kind.model_fields["use"].annotation.__args__[0], features=Lite0(use="lite0"))
    a, b = rows(images, features, 1), rows(images, features, 2, shift=0.01)
    real, cluster = rows(images * 4, features, 3), clusters(a.prompt_ids)
    sides = {"reference": real}
    slow = type("Slow", (kind,), {"exchange": None, "__module__": __name__})
    anew = slow(**metric.model_dump())
    few = max(5, draws // 20)

    def quick() -> float:
        return swap_p(exchange.values_of(metric, a, b, sides), cluster, draws)

    def alternative() -> float:
        return swap_p(exchange.values_of(anew, a, b, sides), cluster, few)

    def floor() -> None:
        for _ in range(draws):
            a.images[np.arange(images)], b.images[np.arange(images)]

    same = swap_p(exchange.values_of(metric, a, b, sides), cluster, few) == alternative()
    ours, theirs = timed(quick), timed(alternative, 1) * draws / few
    return {
        "metric": metric.use,
        "seconds": round(ours, 3),
        "anew": round(theirs, 2),
        "ratio": round(theirs / ours, 1),
        "floor": round(timed(floor), 3),
        "same_p": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--draws", type=int, default=199)
    asked = parser.parse_args()
    for kind in KINDS:
        print(json.dumps(race(kind, asked.images, asked.features, asked.draws)), flush=True)


if __name__ == "__main__":
    main()

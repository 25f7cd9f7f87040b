"""Exchanges of images, had from distances and products that both results share, against anew.

    python performance/comparing.py [--small] [--draws 199]

The alternative measures each metric from nothing at each exchange, as harness did before. The
floor is what an exchange cannot do without: picking the rows of both sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import numpy as np
from ledger import Figure, keep

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


@dataclass(frozen=True)
class Raced:
    """The seconds of one metric's exchanges, measured anew, and of only picking rows."""

    use: str
    ours: list[float]
    anew: float
    floor: float


def timed(work: Callable[[], object], times: int = 3) -> list[float]:
    """Return the seconds that a piece of work takes, several times."""
    spent = []
    for _ in range(times):
        begin = perf_counter()
        work()
        spent.append(perf_counter() - begin)
    return spent


def race(kind: type[MetricSpec], images: int, features: int, draws: int) -> Raced:
    """Return the seconds of one metric's exchanges both ways; both must give one p."""
    metric = kind(use=kind.model_fields["use"].annotation.__args__[0], features=Lite0(use="lite0"))
    a, b = rows(images, features, 1), rows(images, features, 2, shift=0.01)
    real, cluster = rows(images * 4, features, 3), clusters(a.prompt_ids)
    sides = {"reference": real}
    slow = type("Slow", (kind,), {"exchange": None, "__module__": __name__})
    anew = slow(**metric.model_dump())
    few = 9 if images < 300 else 1

    def quick() -> float:
        return swap_p(exchange.values_of(metric, a, b, sides), cluster, draws)

    def alternative() -> float:
        return swap_p(exchange.values_of(anew, a, b, sides), cluster, few)

    def floor() -> None:
        for _ in range(draws):
            a.images[np.arange(images)], b.images[np.arange(images)]

    if swap_p(exchange.values_of(metric, a, b, sides), cluster, few) != alternative():
        raise SystemExit(f"{metric.use}: the p-values differ")
    ours, theirs = timed(quick), timed(alternative, 1)[0] * draws / few
    return Raced(metric.use, ours, theirs, median(timed(floor)))


def whole(images: int, features: int, draws: int, target: float) -> list[Figure]:
    """Return the figure of all metrics together, and of each."""
    raced = [race(kind, images, features, draws) for kind in KINDS]
    size = f"{images:,} × {features:,}"
    sums = [sum(each) for each in zip(*(each.ours for each in raced), strict=True)]
    against = f"measured anew, scaled from a few draws: {sum(each.anew for each in raced):.0f} s"
    floor = sum(each.floor for each in raced)
    why = "nuclear norms of the draws that no estimate decides"
    together = Figure(f"exchanges, {size}", sums, target=target, floor=floor, against=against)
    if together.hit is False:
        together = replace(together, why=why)
    return [
        together,
        *(
            Figure(
                f"{each.use}, {size}",
                each.ours,
                floor=each.floor,
                against=f"measured anew, scaled from a few draws: {each.anew:.1f} s",
            )
            for each in raced
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--small", action="store_true", help="leave the 1,000 images out")
    asked = parser.parse_args()
    figures = whole(96, 1280, asked.draws, 2.0)
    if not asked.small:
        figures += whole(1000, 2048, asked.draws, 10.0)
    keep("comparing", figures)


if __name__ == "__main__":
    main()

"""A race of points: few prompts first, and more only for those that may still be the best.

A look is a part of the benchmark's prompts and seeds. The looks are nested, and at each the points
that are surely worse than another are stopped. The looks are few and known beforehand, so each is
given an equal share of 5 % (Lan & DeMets 1983, Biometrika 70, p. 659, with a union bound in place
of the joint distribution): the best point is stopped at any of them at most once in 20. The idea
is successive elimination (Even-Dar, Mannor & Mansour 2006, J. Mach. Learn. Res. 7, p. 1079).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.decisions.sweep import Point, flags, gap
from harness.fingerprint import digest
from harness.metrics.statistics.best import above_p
from harness.metrics.statistics.intervals import ALPHA
from harness.pages.benchmark import Judgement, Prompt
from harness.records import column_of

LEAST = 8
"""Prompts of the first look: fewer tell no two points apart."""


@dataclass(frozen=True)
class Look:
    """So many prompts, at so many seeds each."""

    prompts: int
    seeds: int

    @property
    def images(self) -> int:
        return self.prompts * self.seeds


@dataclass(frozen=True)
class Stopped:
    """A point that the race stopped, and what was known."""

    look: Look
    rivals: tuple[float, ...] = ()
    """The points that are surely better; none where it carries a flag."""


@dataclass(frozen=True)
class Race:
    """What became of every point."""

    points: tuple[Point, ...]
    """Each as it was judged last, in order."""
    looks: Mapping[float, Look]
    """What each was judged by last."""
    stopped: Mapping[float, Stopped] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Return how many images were drawn of all points; those of an earlier look count once."""
        return sum(look.images for look in self.looks.values())


def looks_of(prompts: int, seeds: int) -> list[Look]:
    """Return the looks, the whole last: twice the prompts each time, then every seed.

    New prompts tell more than new seeds of the same prompts, whose images are alike.
    """
    counts = [LEAST]
    while counts[-1] < prompts:
        counts.append(2 * counts[-1])
    looks = [Look(min(count, prompts), 1) for count in counts]
    return list(dict.fromkeys([*looks, Look(prompts, seeds)]))


def part_of(judgement: Judgement, look: Look) -> Judgement:
    """Return the judgement by a part of its prompts and seeds; of each suite its share."""
    chosen = set(prompts_in_turn(judgement)[: look.prompts])
    suites = [
        suite.model_copy(update={"prompts": kept})
        for suite in judgement.suites
        if (kept := tuple(each for each in suite.prompts if each.id in chosen))
    ]
    names = {
        "suites": tuple(each.name for each in suites),
        "seeds": judgement.benchmark.seeds[: look.seeds],
    }
    benchmark = judgement.benchmark.model_copy(update=names)
    return replace(judgement, benchmark=benchmark, suites=tuple(suites))


def prompts_in_turn(judgement: Judgement) -> list[str]:
    """Return the ids of all prompts, such that the first ones hold every suite's share."""
    places: list[tuple[float, str]] = []
    for suite in judgement.suites:
        shuffled = sorted(suite.prompts, key=_chance)
        places += [((at + 0.5) / len(shuffled), each.id) for at, each in enumerate(shuffled)]
    return [prompt for _, prompt in sorted(places)]


def _chance(prompt: Prompt) -> str:
    return digest(["race", prompt.id])


def race(
    places: Sequence[float],
    looks: Sequence[Look],
    column: str,
    judge: Callable[[float, Look], Point],
) -> Race:
    """Race points by one metric; `judge` returns a point as a look shows it.

    A rival that turns out to copy has stopped nobody: those that only such points stopped go on.
    """
    alive, stopped = sorted(places), dict[float, Stopped]()
    points, reached = dict[float, Point](), dict[float, Look]()

    def ask(look: Look) -> None:
        for at in alive:
            if reached.get(at) != look:
                points[at], reached[at] = judge(at, look), look

    *parts, whole = looks
    for look in parts:
        if len(alive) > 1:
            ask(look)
            seen = [points[at] for at in alive]
            stopped |= {
                at: Stopped(look, by) for at, by in behind(seen, column, len(parts)).items()
            }
            alive = [at for at in alive if at not in stopped]
    while True:
        ask(whole)
        copies = {at for at, point in points.items() if flags(point.result)}
        freed = [at for at, each in stopped.items() if each.rivals and {*each.rivals} <= copies]
        if not freed:
            break
        stopped = {at: each for at, each in stopped.items() if at not in freed}
        alive = sorted([*alive, *freed])
    return Race(tuple(points[at] for at in sorted(points)), reached, stopped)


def behind(points: Sequence[Point], column: str, looks: int) -> dict[float, tuple[float, ...]]:
    """Return the points that are surely worse than others at one of so many looks, and than which;
    and those that carry a flag, than none."""
    flagged = {point.at: () for point in points if flags(point.result)}
    valued = [
        (point, score)
        for point in points
        if point.at not in flagged
        for score in point.result.scores
        if column_of(score.metric) == column and score.value is not None
    ]
    found: dict[float, tuple[float, ...]] = dict(flagged)
    for point, score in valued:
        sign = 1.0 if score.higher_is_better else -1.0
        rivals = [other for other, _ in valued if other is not point]
        gaps = [gap(other, point, score.metric) for other in rivals]
        p = [above_p(sign * whole, sign * each) for whole, each in gaps]
        better = [
            other.at
            for other, each in zip(rivals, p, strict=True)
            if len(rivals) * each < ALPHA / looks
        ]
        if better:
            found[point.at] = tuple(better)
    return found

"""The images that lost most beside the baseline's at the same prompt and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.decisions.contender import Contender
from harness.decisions.gate import Gate
from harness.records import column_of

MOST = 12
FindPicture = Callable[[str, int], str | None]
"""Finds the picture of a prompt's id and a seed, as a data URI, where there is one."""


@dataclass(frozen=True)
class WorstPair:
    """One image's value beside the baseline's, in the metric in which it lost most."""

    prompt_id: str
    seed: int
    metric: str
    before: float
    after: float


@dataclass(frozen=True)
class PicturedPair:
    """A worst pair as a page shows it; pictures are data URIs, None where they are not there."""

    worst: WorstPair
    text: str
    before: str | None = None
    after: str | None = None


def gated(gate: Gate) -> tuple[str, ...]:
    """Return the columns of the metrics that a gate judged."""
    return tuple(dict.fromkeys(column_of(each.metric) for each in gate.checks if each.metric))


def worst_pairs(
    candidate: Contender, baseline: Contender, columns: Sequence[str], most: int = MOST
) -> tuple[WorstPair, ...]:
    """Return the images that lost most, most first; only metrics that are means over images tell.

    Losses count in standard deviations of the baseline's images, so that metrics compare.
    """
    every = [loss for column in columns for loss in _losses(candidate, baseline, column)]
    return _gravest(every, most)


def case_pairs(
    gate: Gate, candidate: Contender, baseline: Contender, each: int = 3, most: int = 2 * MOST
) -> tuple[WorstPair, ...]:
    """Return some images of every case, those that lost most first, also where none lost."""
    pairs: dict[tuple[str, int, str], WorstPair] = {}
    for check in gate.checks:
        if check.prompt_ids and check.metric:
            moved = _moved(candidate, baseline, column_of(check.metric))
            own = [pair for _, pair in moved if pair.prompt_id in check.prompt_ids]
            pairs.update({(pair.prompt_id, pair.seed, pair.metric): pair for pair in own[:each]})
    return tuple(pairs.values())[:most]


def widest_pairs(
    a: Contender, b: Contender, columns: Sequence[str], most: int = MOST
) -> tuple[WorstPair, ...]:
    """Return the images of A (before) and B (after) that differ most, most first."""
    every = [
        difference
        for column in columns
        for difference in (
            *((size, _turned(pair)) for size, pair in _losses(a, b, column)),
            *_losses(b, a, column),
        )
    ]
    return _gravest(every, most)


def _turned(pair: WorstPair) -> WorstPair:
    return replace(pair, before=pair.after, after=pair.before)


def _gravest(every: Sequence[tuple[float, WorstPair]], most: int) -> tuple[WorstPair, ...]:
    """Return each image once, in the metric in which it differs most."""
    largest: dict[tuple[str, int], tuple[float, WorstPair]] = {}
    for size, pair in every:
        key = pair.prompt_id, pair.seed
        if key not in largest or size > largest[key][0]:
            largest[key] = size, pair
    ranked = sorted(largest.values(), key=lambda each: (-each[0], each[1].prompt_id, each[1].seed))
    return tuple(pair for _, pair in ranked[:most])


def _losses(
    candidate: Contender, baseline: Contender, column: str
) -> list[tuple[float, WorstPair]]:
    return [each for each in _moved(candidate, baseline, column) if each[0] > 0]


def _moved(candidate: Contender, baseline: Contender, column: str) -> list[tuple[float, WorstPair]]:
    """Return every image with what it lost, most first."""
    before, after = (side.samples.get(column, {}) for side in (baseline, candidate))
    scale = float(np.std([*before.values()])) if before else 0.0
    score = candidate.score(column)
    sign = -1.0 if score is None or score.higher_is_better else 1.0
    losses = [
        (
            sign * (after[key] - before[key]) / (scale or 1.0),
            WorstPair(*key, column, before[key], after[key]),
        )
        for key in sorted(after.keys() & before.keys())
    ]
    return sorted(losses, key=lambda each: -each[0])


def pictured(
    pairs: Sequence[WorstPair], texts: Mapping[str, str], before: FindPicture, after: FindPicture
) -> tuple[PicturedPair, ...]:
    """Return worst pairs with their prompts and pictures; `before` finds those of the baseline."""
    return tuple(
        PicturedPair(
            each,
            texts.get(each.prompt_id, ""),
            before(each.prompt_id, each.seed),
            after(each.prompt_id, each.seed),
        )
        for each in pairs
    )

"""The images that lost most beside the baseline's at the same prompt and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.decisions.contender import Contender
from harness.decisions.gate import Gate
from harness.pipeline.stages.files import UNREADABLE
from harness.records import column_of
from harness.report.pictures import thumbnail

MOST = 12
FindPicture = Callable[[str, int], Path | None]
"""Finds the picture of a prompt's id and a seed, where it is at hand."""


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


def gated(found: Gate) -> tuple[str, ...]:
    """Return the columns of the metrics that a gate judged."""
    return tuple(dict.fromkeys(column_of(each.metric) for each in found.checks if each.metric))


def worst_pairs(
    candidate: Contender, baseline: Contender, columns: Sequence[str], most: int = MOST
) -> tuple[WorstPair, ...]:
    """Return the images that lost most, most first; only metrics that are means over images tell.

    Losses count in standard deviations of the baseline's images, so that metrics compare.
    """
    lost: dict[tuple[str, int], tuple[float, WorstPair]] = {}
    for column in columns:
        for loss, worst in _losses(candidate, baseline, column):
            key = worst.prompt_id, worst.seed
            if key not in lost or loss > lost[key][0]:
                lost[key] = loss, worst
    ranked = sorted(lost.values(), key=lambda each: (-each[0], each[1].prompt_id, each[1].seed))
    return tuple(worst for _, worst in ranked[:most])


def _losses(
    candidate: Contender, baseline: Contender, column: str
) -> list[tuple[float, WorstPair]]:
    before, after = (side.samples.get(column, {}) for side in (baseline, candidate))
    scale = float(np.std([*before.values()])) if before else 0.0
    score = candidate.score(column)
    sign = -1.0 if score is None or score.higher_is_better else 1.0
    found = [
        (
            sign * (after[key] - before[key]) / (scale or 1.0),
            WorstPair(*key, column, before[key], after[key]),
        )
        for key in after.keys() & before.keys()
    ]
    return [each for each in found if each[0] > 0]


def pictured(
    pairs: Sequence[WorstPair], texts: Mapping[str, str], before: FindPicture, after: FindPicture
) -> tuple[PicturedPair, ...]:
    """Return worst pairs with their prompts and pictures; `before` finds those of the baseline."""
    return tuple(
        PicturedPair(
            each,
            texts.get(each.prompt_id, ""),
            _picture(before(each.prompt_id, each.seed)),
            _picture(after(each.prompt_id, each.seed)),
        )
        for each in pairs
    )


def _picture(file: Path | None) -> str | None:
    try:
        return None if file is None else thumbnail(file)
    except UNREADABLE:
        return None

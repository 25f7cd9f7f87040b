"""Every image of several results as rows with all their scores, sorted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.pipeline.results.album import Shot
from harness.views.grids import shown
from harness.views.reports_index import Entry, ReportsIndex

DRAWN = ("bare", "captions", "sample")
"""Steps whose images were drawn; of a place in several, the last counts."""
ODD = 3.0
"""Robust standard deviations from the median of a metric that make an image an outlier."""


@dataclass(frozen=True)
class Filter:
    """Which images to show, and in what order."""

    words: str = ""
    prompts: frozenset[str] | None = None
    """None: all of them."""
    sort: str = ""
    falling: bool = False
    outliers: bool = False
    least: float | None = None
    most: float | None = None
    """What the value that is sorted by may be."""


def frame(index: ReportsIndex, entries: Sequence[Entry]) -> pd.DataFrame:
    """Return a row an image: result, prompt, seed, its words and a column a metric."""
    parts = []
    for number, each in enumerate(entries):
        samples = index.samples(each)
        texts = {shot.id: shot.text for shot in index.shots(each) if shot.side in DRAWN}
        facts = {
            "result": number,
            "recipe": each.recipe,
            "prompt": samples.prompt_ids,
            "seed": samples.seeds,
            "text": [texts.get(one, "") for one in samples.prompt_ids],
        }
        parts.append(pd.DataFrame({**facts, **samples.values}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def metrics_of(rows: pd.DataFrame) -> list[str]:
    return [
        name for name in rows.columns if name not in ("result", "recipe", "prompt", "seed", "text")
    ]


def filtered(rows: pd.DataFrame, wanted: Filter) -> pd.DataFrame:
    """Return the rows that are wanted, in the order that is wanted."""
    if rows.empty:
        return rows
    keep = np.ones(len(rows), bool)
    words = wanted.words.lower().split()
    if words:
        said = (rows["prompt"] + " " + rows["text"] + " " + rows["recipe"]).str.lower()
        for word in words:
            keep &= said.str.contains(word, regex=False).to_numpy()
    if wanted.prompts is not None:
        keep &= rows["prompt"].isin(wanted.prompts).to_numpy()
    if wanted.outliers:
        keep &= odd(rows)
    if wanted.sort in rows:
        values = rows[wanted.sort].to_numpy()
        keep &= np.isfinite(values)
        keep &= (values >= wanted.least) if wanted.least is not None else True
        keep &= (values <= wanted.most) if wanted.most is not None else True
        return rows[keep].sort_values(wanted.sort, ascending=not wanted.falling, kind="stable")
    return rows[keep]


def odd(rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which images lie far from the median of some metric, all results together."""
    flagged = np.zeros(len(rows), bool)
    for metric in metrics_of(rows):
        values = rows[metric].to_numpy(np.float64)
        if np.isnan(values).all():
            continue
        middle = np.nanmedian(values)
        spread = 1.4826 * np.nanmedian(np.abs(values - middle))
        if spread > 0:
            flagged |= np.abs(values - middle) > ODD * spread
    return flagged


def cells(
    index: ReportsIndex, entries: Sequence[Entry], rows: pd.DataFrame, overlay: str
) -> list[dict[str, Any]]:
    """Return rows as pictures with all that is known of them."""
    shots: dict[int, dict[tuple[str, int], Shot]] = {}
    described = []
    for number, prompt, seed in zip(rows["result"], rows["prompt"], rows["seed"], strict=True):
        if number not in shots:
            shots[number] = {
                (shot.id, shot.seed): shot
                for shot in index.shots(entries[number])
                if shot.side in DRAWN
            }
        shot = shots[number].get((prompt, seed), Shot(prompt, seed, ""))
        described.append(shown(index, entries[number], shot, overlay))
    return described

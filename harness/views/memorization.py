"""How similar images are to training pictures, beside how similar held-out pictures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.interfaces import Array
from harness.pipeline.results.album import Shot
from harness.views.pictures import addresses
from harness.views.reports_index import Entry, ReportsIndex


@dataclass(frozen=True)
class Likeness:
    """One metric's similarities: of images, most similar first, and of held-out pictures."""

    metric: str
    threshold: float
    """The cosine above which the metric counts a copy."""
    values: Array
    null: Array
    places: tuple[tuple[str, int, str], ...]
    """Prompt, seed and the nearest original, image by image."""

    def share(self, threshold: float) -> float | None:
        """Return the share of images above a threshold; None where there are none."""
        return _share(self.values, threshold)

    def null_share(self, threshold: float) -> float | None:
        """Return the share of held-out pictures above a threshold: the false alarms."""
        return _share(self.null, threshold)


def _share(values: Array, threshold: float) -> float | None:
    return float(np.mean(values > threshold)) if len(values) else None


def likenesses(index: ReportsIndex, entry: Entry) -> list[Likeness]:
    """Return the similarities of each metric of copies; nothing where they were not kept."""
    table = index.table(entry, "likeness")
    if table is None:
        return []
    rows: list[dict[str, Any]] = table.to_pylist()
    return [
        _of(metric, [row for row in rows if row["metric"] == metric])
        for metric in dict.fromkeys(row["metric"] for row in rows)
    ]


def _of(metric: str, rows: Sequence[Mapping[str, Any]]) -> Likeness:
    own = sorted(
        (row for row in rows if row["prompt_id"] is not None), key=lambda row: -row["value"]
    )
    null = [row["value"] for row in rows if row["prompt_id"] is None]
    places = tuple((row["prompt_id"], row["seed"], row["other"]) for row in own)
    return Likeness(
        metric,
        rows[0]["threshold"],
        np.array([row["value"] for row in own]),
        np.array(null),
        places,
    )


def nearest_pairs(
    index: ReportsIndex, entry: Entry, near: Likeness, start: int, count: int
) -> list[dict[str, Any]]:
    """Return pairs of an image and its nearest training picture, most similar first."""
    shots: dict[tuple[str, str], Shot] = {}
    for shot in index.shots(entry):
        shots[shot.side, shot.id if shot.side == "originals" else f"{shot.id} {shot.seed}"] = shot
    nearest = []
    for row in range(start, min(start + count, len(near.places))):
        prompt, seed, other = near.places[row]
        own = shots.get(("sample", f"{prompt} {seed}")) or shots.get(
            ("captions", f"{prompt} {seed}")
        )
        its = shots.get(("originals", other))
        nearest.append(
            {
                "prompt": prompt,
                "seed": seed,
                "other": other,
                "likeness": float(near.values[row]),
                "text": own.text if own else "",
                "caption": its.text if its else "",
                "shots": [addresses(index, entry, own), addresses(index, entry, its)],
            }
        )
    return nearest

"""Made-up posts of a booru, 50,000 at a time: the same rows on every machine.

A chunk depends on its number alone. Column names are those of the published caption set, with
what AnimeBoysXL's vocabulary needs beside them. Tags and sides are always known, for the plan's
own code stops at a row without them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

CHUNK = 50_000
IMPORTANT = (
    "1girl",
    "1boy",
    "solo",
    "looking_at_viewer",
    "smile",
    "long_hair",
    "short_hair",
    "school_uniform",
    "twintails",
    "blue_eyes",
    "brown_hair",
    "blonde_hair",
    "upper_body",
    "full_body",
    "outdoors",
    "indoors",
    "night",
    "day",
)
IMPORTANT_SET = frozenset(IMPORTANT)
_OTHERS = tuple(
    f"{first}_{second}"
    for first in ("red", "green", "purple", "striped", "white", "black", "torn", "open", "holding")
    for second in ("skirt", "shirt", "ribbon", "thighhighs", "umbrella", "flower", "hat", "wings")
)
TAGS = (
    *IMPORTANT,
    *_OTHERS,
    "highres",
    "absurdres",
    "commentary_request",
    ":d",
    "^_^",
    "50%_off",
    "don't_starve",
    '"quoted"',
    "ñandú_(ave)",
    "初音ミク",
    "signature",
    "artist_name",
)
_WORDS = (
    "A girl with twintails",
    "An older boy",
    "stands",
    "is sitting by the window",
    "looks away",
    "in a classroom",
    "under the evening sky",
    "wearing a school uniform",
    "with a red ribbon",
    "and smiles at the viewer",
    "while cherry blossoms fall",
    "holding an umbrella",
    "in the rain",
    "next to a white cat",
    "with soft light",
    "in front of a simple background",
    "and waves",
)
_RATINGS = ("general", "safe", "sensitive", "questionable", "explicit", None)
_RATING_ODDS = (0.46, 0.28, 0.14, 0.07, 0.04, 0.01)


def chunk(number: int, rows: int = CHUNK) -> pa.Table:
    """Return one chunk of posts."""
    rng = np.random.default_rng([20, number])
    sides = rng.integers(300, 2400, (2, rows))
    return pa.table(
        {
            "id": pc.cast(pa.array(np.arange(rows) + number * CHUNK), pa.string()),
            "caption": _phrases(rng, rows, _WORDS, (5, 13), 0.02),
            "danbooru_tags": _phrases(rng, rows, TAGS, (8, 45), 0.0),
            "rating": pa.array(np.array(_RATINGS, object)[rng.choice(6, rows, p=_RATING_ODDS)]),
            "score": pa.array(
                rng.exponential(60, rows).astype(np.int32) - 12, mask=_some(rng, rows)
            ),
            "aesthetic": pa.array(rng.normal(5.8, 0.8, rows), mask=_some(rng, rows)),
            "year": pa.array(
                rng.integers(2005, 2024, rows).astype(np.int16), mask=_some(rng, rows)
            ),
            "width": pa.array(sides[0].astype(np.int32)),
            "height": pa.array(sides[1].astype(np.int32)),
            "phash": pa.array(rng.integers(0, 2**63, rows, np.uint64) * 2 + 1),
        }
    )


def _some(rng: np.random.Generator, rows: int) -> NDArray[np.bool_]:
    """Return which of the values are not known."""
    return rng.random(rows) < 0.005


def _phrases(
    rng: np.random.Generator,
    rows: int,
    words: tuple[str, ...],
    length: tuple[int, int],
    unknown: float,
) -> pa.Array:
    """Return for every row some of the words, joined by spaces; frequent words come first."""
    counts = rng.integers(*length, rows)
    picks = (rng.random(counts.sum()) ** 1.6 * len(words)).astype(np.int32)
    lists = pa.ListArray.from_arrays(
        np.concatenate([[0], counts.cumsum()]).astype(np.int32),
        pc.take(pa.array(words), pa.array(picks)),
    )
    joined = pc.binary_join(lists, " ")
    return pc.if_else(pa.array(rng.random(rows) < unknown), pa.scalar(None, pa.string()), joined)

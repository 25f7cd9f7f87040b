"""A curated set in figures: what it holds, and how its shapes and words are spread."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.data.curation.engine import Limits, opened
from harness.data.sql import literal

TAGS, PROMPTS = 40, 24
"""How many tags are counted, and how many prompts shown."""
ASPECTS = (
    (0.5, "< 0.5"),
    (0.7, "0.5 – 0.7"),
    (0.9, "0.7 – 0.9"),
    (1.1, "0.9 – 1.1"),
    (1.4, "1.1 – 1.4"),
    (2.0, "1.4 – 2"),
    (float("inf"), "> 2"),
)
SIDES = (512, 768, 1024, 1280, 1536, 2048, 3072)
Bars = list[tuple[str, int]]
"""What is counted, and how often it is there."""


def summarize(file: Path, limits: Limits) -> dict[str, Any]:
    """Return histograms of a curated set, and rows evenly spaced over it as examples."""
    rows = f"read_parquet({literal(str(file))}, file_row_number = true, can_have_nan = true)"
    with opened(limits) as engine:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return engine.sql(sql).fetchall()

        names = {each[0] for each in ask(f"DESCRIBE SELECT * FROM {rows}")}
        sided = {"width", "height"} <= names
        count = ask(f"SELECT count(*) FROM {rows}")[0][0]
        tags = (
            f"SELECT tag, count(*) AS many FROM (SELECT unnest(tags) AS tag FROM {rows}) "
            f"GROUP BY tag ORDER BY many DESC, tag LIMIT {TAGS}"
        )
        buckets = (
            f"SELECT bucket::VARCHAR, count(*) AS many FROM {rows} WHERE bucket IS NOT NULL "
            "GROUP BY bucket ORDER BY many DESC, 1"
        )
        step = max(1, count // PROMPTS)
        examples = (
            f"SELECT source, row, id, prompt FROM {rows} WHERE file_row_number % {step} = 0 "
            f"ORDER BY file_row_number LIMIT {PROMPTS}"
        )
        return {
            "tags": ask(tags),
            "buckets": ask(buckets),
            "aspects": _aspects(ask, rows) if sided else [],
            "sides": _sides(ask, rows) if sided else [],
            "ratings": ask(_words("rating", rows)) if "rating" in names else [],
            "examples": [
                dict(zip(("source", "row", "id", "prompt"), each, strict=True))
                for each in ask(examples)
            ],
        }


def _words(column: str, rows: str) -> str:
    return (
        f"SELECT coalesce({column}::VARCHAR, 'unknown') AS word, count(*) AS many FROM {rows} "
        "GROUP BY word ORDER BY many DESC, word LIMIT 12"
    )


def _aspects(ask: Any, rows: str) -> Bars:
    shape = "TRY_CAST(width AS DOUBLE) / nullif(TRY_CAST(height AS DOUBLE), 0)"
    cases = " ".join(
        f"WHEN {shape} < '{bound}'::DOUBLE THEN {at}" for at, (bound, _) in enumerate(ASPECTS)
    )
    return _filled(ask, f"CASE {cases} END", rows, [name for _, name in ASPECTS])


def _sides(ask: Any, rows: str) -> Bars:
    side = "least(TRY_CAST(width AS DOUBLE), TRY_CAST(height AS DOUBLE))"
    known = "width IS NOT NULL AND height IS NOT NULL"
    cases = " ".join(
        f"WHEN {known} AND {side} < {bound} THEN {at}" for at, bound in enumerate(SIDES)
    )
    between = [f"{low} – {high - 1}" for low, high in pairwise(SIDES)]
    names = [f"< {SIDES[0]}", *between, f"{SIDES[-1]} and more"]
    return _filled(ask, f"CASE {cases} WHEN {known} THEN {len(SIDES)} END", rows, names)


def _filled(ask: Any, place: str, rows: str, names: list[str]) -> Bars:
    """Return every bar of a scale, also the empty ones between its first and its last."""
    counts = dict(ask(f"SELECT {place} AS place, count(*) FROM {rows} GROUP BY place"))
    counts.pop(None, None)
    if not counts:
        return []
    return [(names[at], counts.get(at, 0)) for at in range(min(counts), max(counts) + 1)]

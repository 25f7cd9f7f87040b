"""What a file alone tells of its fate: the truth of each adapter, its facts, how far they go."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diffusion.adapter_files.facts import read_facts
from harness.diffusion.adapter_files.fate import FACTS, facts_of
from harness.files import whole

FATES = ("underfitted", "good", "overtrained", "broken")
ENOUGH = 0.75
"""An adapter is underfitted below this share of the best held-out gain that its style reached."""
TRUTH = ("gain", "gain_error", "member_gain", "member_error", "auc")
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """One row an adapter."""

    styles: tuple[str, ...]
    fates: NDArray[np.int64]
    facts: Numbers


def records(root: Path) -> Iterator[dict[str, Any]]:
    """Yield what is known of every adapter that was kept, with the facts of its file."""
    for file in sorted((root / "trained").glob("*/record.json")):
        for each in json.loads(file.read_text(encoding="utf-8")):
            adapter = file.parent / f"{each['step']:04d}" / "adapter.safetensors"
            yield each | facts_of(read_facts(adapter))


def write_rows(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write the rows as CSV, numbers in six digits."""
    with whole(file) as part, part.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(rows[0])
        for row in rows:
            table.writerow(
                f"{each:.6g}" if isinstance(each, float) else each for each in row.values()
            )


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV, with numbers as numbers."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [
            {key: each if key == "style" else float(each) for key, each in row.items()}
            for row in csv.DictReader(stream)
        ]


def fate_of(row: Mapping[str, Any], best: float) -> str:
    """Return the fate of an adapter; `best` is the largest held-out gain of its style.

    broken: worse than the base on its own pictures. overtrained: it knows its own pictures better
    than others by more than two standard errors. underfitted: below `ENOUGH` of the best.
    """
    if row["member_gain"] < 0:
        return "broken"
    gap = row["member_gain"] - row["gain"]
    error = math.hypot(row["member_error"], row["gain_error"])
    if gap > 2 * error:
        return "overtrained"
    return "underfitted" if row["gain"] < ENOUGH * best else "good"


def table_of(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return truth and facts as arrays."""
    best: dict[str, float] = {}
    for row in rows:
        best[row["style"]] = max(best.get(row["style"], 0.0), row["gain"])
    fates = [FATES.index(fate_of(row, best[row["style"]])) for row in rows]
    facts = [[row[name] for name in FACTS] for row in rows]
    return Table(tuple(row["style"] for row in rows), np.array(fates), np.array(facts, float))


def fitted(facts: Numbers, fates: NDArray[np.int64], strength: float = 1.0) -> dict[str, Any]:
    """Return a multinomial logistic regression whose classes weigh the same, fitted by Newton.

    Facts are standardized; weights are held small by `strength` (a ridge).
    """
    mean, spread = facts.mean(0), facts.std(0) + 1e-9
    inputs = np.column_stack([(facts - mean) / spread, np.ones(len(facts))])
    counts = np.bincount(fates, minlength=len(FATES))
    weight = (len(fates) / np.maximum(counts, 1) / np.count_nonzero(counts))[fates]
    wanted = np.eye(len(FATES))[fates]
    matrix = np.zeros((inputs.shape[1], len(FATES)))
    ridge = np.full(inputs.shape[1], strength)
    ridge[-1] = 1e-3
    step = 1.0 / (0.5 * np.linalg.norm(inputs * np.sqrt(weight)[:, None], 2) ** 2 + strength)
    moved = matrix
    for turn in range(4000):  # Nesterov's gradient descent: the loss is smooth and convex
        gradient = inputs.T @ (weight[:, None] * (odds(inputs, moved) - wanted))
        after = moved - step * (gradient + ridge[:, None] * moved)
        moved, matrix = after + turn / (turn + 3) * (after - matrix), after
    return {"mean": mean, "spread": spread, "matrix": matrix}


def odds(inputs: Numbers, matrix: Numbers) -> Numbers:
    """Return the probability of each class, a row an input."""
    scores = inputs @ matrix
    scores = np.exp(scores - scores.max(1, keepdims=True))
    result: Numbers = scores / scores.sum(1, keepdims=True)
    return result


def told(model: Mapping[str, Any], facts: Numbers) -> NDArray[np.int64]:
    inputs = np.column_stack([(facts - model["mean"]) / model["spread"], np.ones(len(facts))])
    return odds(inputs, model["matrix"]).argmax(1)


def left_out(table: Table, columns: Sequence[int] | None = None) -> NDArray[np.int64]:
    """Return the fate that is told of every adapter by a model that never saw its style."""
    chosen = list(range(table.facts.shape[1])) if columns is None else list(columns)
    styles = np.array(table.styles)
    answers = np.empty(len(styles), np.int64)
    for style in sorted(set(table.styles)):
        inside = styles != style
        model = fitted(table.facts[inside][:, chosen], table.fates[inside])
        answers[~inside] = told(model, table.facts[~inside][:, chosen])
    return answers


def balanced(fates: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Return the mean share of right answers over the fates that there are."""
    return float(np.mean([(answers[fates == each] == each).mean() for each in np.unique(fates)]))


def interval(table: Table, answers: NDArray[np.int64], draws: int = 2000) -> tuple[float, float]:
    """Return a 95 % interval of the balanced accuracy: styles are drawn again, whole."""
    rng = np.random.default_rng(5)
    names = sorted(set(table.styles))
    rows = {name: np.flatnonzero(np.array(table.styles) == name) for name in names}
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rows[names[n]] for n in rng.integers(len(names), size=len(names))])
        values.append(balanced(table.fates[chosen], answers[chosen]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def confusion(table: Table, answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each fate (rows) was told as each (columns)."""
    counts = np.zeros((len(FATES), len(FATES)), np.int64)
    np.add.at(counts, (table.fates, answers), 1)
    return counts


def threshold(sizes: Numbers, is_broken: NDArray[np.bool_]) -> float:
    """Return the size that parts broken adapters from others with the best balanced accuracy."""
    ordered = np.sort(sizes)
    between = (ordered[1:] + ordered[:-1]) / 2
    right = [(sizes[is_broken] > c).mean() + (sizes[~is_broken] <= c).mean() for c in between]
    return float(between[int(np.argmax(right))])


def broken_by_size(table: Table) -> tuple[float, NDArray[np.bool_]]:
    """Return the threshold of all styles, and what is told of each style by that of the others."""
    sizes, is_broken = table.facts[:, FACTS.index("size")], table.fates == FATES.index("broken")
    styles = np.array(table.styles)
    answers = np.zeros(len(sizes), bool)
    for style in sorted(set(table.styles)):
        inside = styles != style
        answers[~inside] = sizes[~inside] > threshold(sizes[inside], is_broken[inside])
    return math.exp(threshold(sizes, is_broken)), answers

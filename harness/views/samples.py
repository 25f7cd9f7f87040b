"""The values of a result's images, as columns: prompts × seeds down, metrics across."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from sys import intern

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.interfaces import Array
from harness.pipeline.results.file import ResultFile


@dataclass(frozen=True)
class Samples:
    """Rows of images, and a column of values a metric; NaN where an image has none."""

    prompt_ids: tuple[str, ...]
    seeds: NDArray[np.int64]
    values: Mapping[str, Array]

    @staticmethod
    def none() -> Samples:
        return Samples((), np.empty(0, np.int64), {})

    @cached_property
    def rows(self) -> dict[tuple[str, int], int]:
        """Return the row of every prompt and seed."""
        pairs = zip(self.prompt_ids, self.seeds.tolist(), strict=True)
        return {pair: row for row, pair in enumerate(pairs)}

    def among(self, prompts: frozenset[str]) -> NDArray[np.bool_]:
        """Return which rows answer one of these prompts."""
        return _among(self.prompt_ids, prompts)

    def of(self, prompt_id: str, seed: int) -> dict[str, float]:
        """Return the values of one image, by metric."""
        row = self.rows.get((prompt_id, seed))
        if row is None:
            return {}
        values = {metric: float(column[row]) for metric, column in self.values.items()}
        return {metric: value for metric, value in values.items() if np.isfinite(value)}


def samples_of(file: ResultFile) -> Samples:
    """Read the table of images beside a result: trainings are averaged, a broken one is empty."""
    try:
        table = file.table("samples")
    except HarnessError:
        return Samples.none()
    pairs = list(zip(table["prompt_id"].to_pylist(), table["seed"].to_pylist(), strict=True))
    rows = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
    at = np.fromiter((rows[pair] for pair in pairs), np.int64, len(pairs))
    words = table["metric"].combine_chunks().dictionary_encode()
    codes, names = words.indices.to_numpy(), words.dictionary.to_pylist()
    numbers = table["value"].to_numpy()
    values = {
        intern(name): _means(at[codes == code], numbers[codes == code], len(rows))
        for code, name in enumerate(names)
    }
    ids = tuple(intern(prompt) for prompt, _ in rows)
    return Samples(ids, np.array([seed for _, seed in rows], np.int64), values)


@lru_cache(maxsize=64)
def _among(prompt_ids: tuple[str, ...], prompts: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([prompt in prompts for prompt in prompt_ids], np.bool_)


def _means(rows: NDArray[np.int64], values: Array, many: int) -> Array:
    """Return the mean of each row's values; NaN where a row has none."""
    counts = np.bincount(rows, minlength=many)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(rows, weights=values, minlength=many) / counts

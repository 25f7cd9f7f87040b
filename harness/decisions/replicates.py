"""Results of one recipe's training runs → one result whose intervals hold for the recipe.

The value is the mean over runs. Its variance has two parts that are added: that of the prompts,
from each prompt's pseudo-value averaged over runs, and that of the runs, s²/K. The second still
holds a little of the first, so the interval errs on the wide side. Degrees of freedom follow
Welch and Satterthwaite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from harness.files import copy_whole
from harness.interfaces import Array
from harness.metrics.statistics.paired import Difference, estimate
from harness.metrics.statistics.variance import of_mean
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import write_table
from harness.records import Accounting, PseudoValues, Result, Score, StepName, Versus, column_of


def read_run(file: ResultFile) -> Run:
    """Return a run with the pseudo-values that stand beside its result file."""
    return Run(file.result.training_seeds[0], file.result, file.pseudo_values())


@dataclass(frozen=True)
class Run:
    """One training run's result, with its pseudo-values."""

    seed: int
    result: Result
    pseudo: PseudoValues


def combine(recipe: str, runs: Sequence[Run]) -> Result:
    """Return the result of a recipe from those of its runs, which share a signature."""
    first = runs[0].result
    keys = dict(first.keys)
    for run in runs:
        keys |= {_own(run, name): key for name, key in run.result.keys.items()}
    return first.model_copy(
        update={
            "recipe": recipe,
            "training_seeds": tuple(run.seed for run in runs),
            "interval": "recipe",
            "keys": keys,
            "images": _accounting([run.result.images for run in runs]),
            "scores": tuple(_score(at, runs) for at in range(len(first.scores))),
            "probe": None,  # each run has its own, beside its own result
            "provenance": {**first.provenance, "seconds": _seconds(runs)},
        }
    )


def write_tables(whole: ResultFile, runs: Sequence[tuple[int, ResultFile]]) -> None:
    """Write beside a recipe's result what stands beside those of its runs: every sample with its
    training seed, and each prompt's pseudo-values averaged."""
    samples = [file.table("samples") for _, file in runs]
    marked = [
        table.append_column("training_seed", pa.array([seed] * len(table), pa.int64()))
        for table, (seed, _) in zip(samples, runs, strict=True)
    ]
    write_table(whole.table_path("samples"), pa.concat_tables(marked))
    if all(file.has_table("likeness") for _, file in runs):
        near = pa.concat_tables([file.table("likeness") for _, file in runs])
        write_table(whole.table_path("likeness"), near)
    copy_whole(runs[0][1].table_path("sanity"), whole.table_path("sanity"))  # one and the same
    whole.table_path("probe").unlink(missing_ok=True)
    prompts = pa.concat_tables([file.table("prompts") for _, file in runs])
    means = prompts.group_by(["prompt_id", "metric"], use_threads=False).aggregate(
        [("value", "mean"), ("base", "mean")]
    )
    named = means.rename_columns({"value_mean": "value", "base_mean": "base"})
    write_table(whole.table_path("prompts"), named)


def _score(at: int, runs: Sequence[Run]) -> Score:
    scores = [run.result.scores[at] for run in runs]
    first = scores[0]
    flags = [score.flag for score in scores if score.flag is not None]
    flag = f"{flags[0]} in {len(flags)} of {len(runs)} runs" if flags else None
    column = column_of(first.metric)
    prompts = _aligned([run.pseudo.own.get(column, {}) for run in runs])
    reason = _no_mean(scores, runs, prompts)
    if reason is not None:
        gone = dict.fromkeys(("value", "low", "high", "base"))
        return first.model_copy(update={**gone, "reason": reason, "flag": flag})
    values = [score.value for score in scores if score.value is not None]
    mean = mean_of_runs(np.array(values), prompts.mean(0))
    return first.model_copy(
        update={
            "value": mean.value,
            "low": mean.low,
            "high": mean.high,
            "runs": tuple(values),
            "between": float(np.std(values, ddof=1)),
            "flag": flag,
            "notes": tuple(dict.fromkeys(note for score in scores for note in score.notes)),
            "base": _versus(column, scores, runs),
        }
    )


def _no_mean(scores: Sequence[Score], runs: Sequence[Run], prompts: Array) -> str | None:
    """Return why a metric has no mean over the runs, if so."""
    for run, score in zip(runs, scores, strict=True):
        if score.value is None:
            return f"training seed {run.seed}: {score.reason}"
        if score.metric != scores[0].metric:
            return f"training seed {run.seed} has {score.metric}: the value depends on N"
    if prompts.shape[1] < 2:
        return f"the runs have {prompts.shape[1]} prompts in common, and it takes 2"
    return None


def mean_of_runs(values: Array, prompts: Array) -> Difference:
    """Return the mean of the runs' values; prompts and runs add to its variance."""
    return estimate(float(values.mean()), [of_mean(prompts), of_mean(values)])


def _aligned(runs: Sequence[Mapping[str, float]]) -> Array:
    """Return a row a run, of the prompts that all runs have."""
    common = [prompt for prompt in runs[0] if all(prompt in run for run in runs)]
    rows = [[run[prompt] for prompt in common] for run in runs]
    return np.array(rows, np.float64).reshape(len(runs), len(common))


def _versus(column: str, scores: Sequence[Score], runs: Sequence[Run]) -> Versus | None:
    """Return the mean difference to the base, which is one and the same for all runs."""
    if any(score.base is None for score in scores) or column not in runs[0].pseudo.base:
        return None
    deltas = [score.base.delta for score in scores if score.base is not None]
    own = _aligned([run.pseudo.own[column] for run in runs])
    paired = own - _aligned([run.pseudo.base[column] for run in runs])
    delta = mean_of_runs(np.array(deltas), paired.mean(0))
    base = scores[0].base
    assert base is not None
    return Versus(value=base.value, delta=delta.value, low=delta.low, high=delta.high)


def _accounting(parts: Sequence[Accounting]) -> Accounting:
    counts = {
        name: sum(getattr(part, name) for part in parts)
        for name in ("expected", "generated", "failed", "black", "scored")
    }
    kinds: Counter[str] = Counter()
    for part in parts:
        kinds.update(part.kinds)
    named = tuple(name for part in parts for name in part.named)
    return Accounting(**counts, named=named, kinds=dict(sorted(kinds.items())))


def _seconds(runs: Sequence[Run]) -> dict[str, float]:
    return {
        _own(run, name): seconds
        for run in runs
        for name, seconds in run.result.provenance.get("seconds", {}).items()
    }


def _own(run: Run, name: str) -> str:
    """Return the name of a run's step among those of all runs."""
    return str(StepName.parse(name).of_training(run.seed))

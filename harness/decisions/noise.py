"""What is known of a baseline's noise: how far runs lie apart that should be equal.

Two kinds of equal runs are told apart: one training drawn with other sampling seeds, and other
trainings of the same recipe. Two of them are a null pair. How often the paired test tells the two
of a pair apart is its false-alarm rate: 5 % where an interval holds what it says, and more for
trainings, whose spread no image of a single one can show.

K runs make K(K − 1)/2 pairs, and rates are taken over all of them; but a run in two pairs makes
these depend on each other. What K runs know of their spread is K − 1 pairs' worth, its degrees of
freedom, and so many are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from harness.decisions.compare import Comparison, compare
from harness.decisions.contender import Contender, means_by_prompt
from harness.decisions.finding import Claim, Finding, Rules
from harness.errors import PageError, Problem
from harness.files import write_text
from harness.interfaces import Array, Page
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.noise import (
    between_runs,
    error_of,
    of_difference,
    ruled_out,
    stays_within,
    widened_by_t,
)
from harness.pipeline.results.file import ResultFile
from harness.records import Result, column_of

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Spread(Page):
    """How far runs of one kind lie apart in one metric."""

    runs: Annotated[int, Field(ge=2)]
    difference: Size
    """The standard deviation of the difference of two runs."""
    reach: Size = 0.0
    """Half the width of a difference's interval, in the middle of all pairs; 0 if unknown."""
    alarms: Annotated[float, Field(ge=0, le=1)]
    """The share of null pairs that the paired test alone, without margin or τ, tells apart."""
    prompts: dict[str, tuple[float, ...]] = {}
    """The value of every run at each prompt, for metrics that are means over images."""

    @property
    def pairs(self) -> int:
        """How many null pairs these runs are worth."""
        return self.runs - 1


class MetricNoise(Page):
    """What was measured of one metric; None where there were no two runs of a kind."""

    sampling: Spread | None = None
    """Between draws of one training that differ in their sampling seeds only."""
    retrained: Spread | None = None
    """Between trainings, drawn with the same sampling seeds."""
    between: Size | None = None
    """The standard deviation τ between trainings that images do not account for."""


class Noise(Page):
    """What was measured of a baseline's noise, by the columns of its metrics."""

    schema_version: Literal[1] = 1
    benchmark: str
    recipe: str
    signature: str
    """That of the baseline: noise measured on other prompts or seeds is another's."""
    metrics: dict[str, MetricNoise]

    def margin(self, column: str) -> float | None:
        """Return what two equal runs stay within 19 times in 20, by the wider kind of pairs.

        A margin below it would call a recipe worse than itself. It is not widened where runs are
        few: little knowledge is no reason to let more harm pass.
        """
        noise = self.metrics.get(column, MetricNoise())
        sizes = [each.difference for each in (noise.sampling, noise.retrained) if each]
        return stays_within(max(sizes)) if sizes else None

    def room(self, column: str, claim: Claim) -> float | None:
        """Return the harm that the interval of two equal runs rules out in 99 of 100 cases: a gate
        has a handful of checks, and should pass 19 in 20 equal runs in all of them.

        It is what so many prompts can show: to ask for less would leave equal runs without a pass.
        """
        noise = self.metrics.get(column, MetricNoise())
        known = [each for each in (noise.sampling, noise.retrained) if each and each.reach]
        if not known:
            return None
        between = (self.between(column) or 0.0) if claim == "recipe" else 0.0
        return ruled_out(
            max(each.reach for each in known), max(each.difference for each in known), between
        )

    def runs_of(self, column: str, prompts: Sequence[str]) -> list[Array]:
        """Return the means over some prompts, one a run, for each kind that was measured there."""
        noise = self.metrics.get(column, MetricNoise())
        kinds = [each.prompts for each in (noise.sampling, noise.retrained) if each]
        return [
            np.mean([known[prompt] for prompt in prompts], axis=0)
            for known in kinds
            if prompts and all(prompt in known for prompt in prompts)
        ]

    def between(self, column: str) -> float | None:
        """Return τ, widened as t is beside the normal: R trainings know it with R − 1 freedom."""
        noise = self.metrics.get(column, MetricNoise())
        if noise.between is None or noise.retrained is None:
            return None
        return widened_by_t(noise.between, noise.retrained.runs)

    def pairs(self, column: str, claim: Claim) -> int:
        """Return how many null pairs speak for a claim: trainings for recipes, draws for files."""
        noise = self.metrics.get(column, MetricNoise())
        kind = noise.retrained if claim == "recipe" else noise.sampling
        return kind.pairs if kind else 0


def measured(
    baseline: Result, resampled: Sequence[Contender], retrained: Sequence[Contender]
) -> Noise:
    """Return the noise of a baseline from runs equal to it, which belongs into either list.

    Those resampled differ in their sampling seeds only, those retrained in their training seeds
    only; each is one training.
    """
    draws, trainings = _pairs([by_rank(each) for each in resampled]), _pairs(retrained)
    columns = [column_of(score.metric) for score in baseline.scores]
    metrics = {
        column: MetricNoise(
            sampling=_spread(column, resampled, draws),
            retrained=_spread(column, retrained, trainings),
            between=_between(column, retrained, trainings),
        )
        for column in columns
    }
    known = {column: each for column, each in metrics.items() if each != MetricNoise()}
    return Noise(
        benchmark=baseline.benchmark,
        recipe=baseline.recipe,
        signature=baseline.signature,
        metrics=known,
    )


def by_rank(contender: Contender) -> Contender:
    """Return a contender whose seeds are numbered, so that draws with other seeds pair up."""
    return replace(
        contender, samples={column: _ranked(of) for column, of in contender.samples.items()}
    )


def _ranked(values: Mapping[tuple[str, int], float]) -> dict[tuple[str, int], float]:
    seeds = {seed: at for at, seed in enumerate(sorted({seed for _, seed in values}))}
    return {(prompt, seeds[seed]): value for (prompt, seed), value in values.items()}


def _pairs(runs: Sequence[Contender]) -> list[Comparison]:
    """Return each run beside each other; unlike seeds make unlike signatures, hence the force."""
    rules = Rules(force=True, draws=0)
    return [compare(a, b, rules) for a, b in combinations(runs, 2)]


def _spread(column: str, runs: Sequence[Contender], pairs: Sequence[Comparison]) -> Spread | None:
    values, findings = _values(column, runs), _findings(column, pairs)
    if len(values) < 2 or not findings:
        return None
    alarms = float(np.mean([each.p is not None and each.p < ALPHA for each in findings]))
    reach = float(
        np.median(
            [
                (each.high - each.low) / 2
                for each in findings
                if each.high is not None and each.low is not None
            ]
        )
    )
    return Spread(
        runs=len(values),
        difference=of_difference(values),
        reach=reach,
        alarms=alarms,
        prompts=_at_prompts(column, runs),
    )


def _at_prompts(column: str, runs: Sequence[Contender]) -> dict[str, tuple[float, ...]]:
    """Return every run's mean at each prompt that all of them have, to six digits."""
    means = [means_by_prompt(run.samples.get(column, {})) for run in runs]
    common = sorted(set(means[0]).intersection(*means[1:]))
    return {prompt: tuple(float(f"{each[prompt]:.6g}") for each in means) for prompt in common}


def _between(column: str, runs: Sequence[Contender], pairs: Sequence[Comparison]) -> float | None:
    values, findings = _values(column, runs), _findings(column, pairs)
    if len(values) < 2 or not findings:
        return None
    return between_runs(values, float(np.mean([_error(each) ** 2 for each in findings])) / 2)


def _values(column: str, runs: Sequence[Contender]) -> Array:
    scores = [run.score(column) for run in runs]
    return np.array([score.value for score in scores if score and score.value is not None])


def _findings(column: str, pairs: Sequence[Comparison]) -> list[Finding]:
    return [
        each
        for pair in pairs
        for each in pair.metrics
        if column_of(each.metric) == column and each.delta is not None
    ]


def _error(finding: Finding) -> float:
    """Return the standard error of a difference, which its interval is made of."""
    assert finding.low is not None
    assert finding.high is not None
    return error_of(finding.low, finding.high, finding.prompts)


def beside(baseline: Path) -> Path:
    """Return where the noise of a baseline's file is kept: beside it."""
    return ResultFile(baseline).noise_path


def write(baseline: Path, noise: Noise) -> Path:
    """Write noise beside a baseline's file; return where."""
    file = beside(baseline)
    write_text(file, noise.model_dump_json(indent=1) + "\n")
    return file


def read(baseline: Path) -> Noise | None:
    """Return the noise beside a baseline's file; None where it was not measured."""
    file = beside(baseline)
    if not file.is_file():
        return None
    try:
        return Noise.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        lines = " ".join(str(error).splitlines()[:3])[:200]
        hint = "measure it again: `harness calibrate`"
        raise PageError([Problem(str(file), 1, "", f"is no noise file: {lines}", hint)]) from None

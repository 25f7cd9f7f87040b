"""A benchmark's sanity card: real pictures, spoiled in known ways, run through every metric.

Its first row is the floor: half of the reference judged against the other half, which is as good
as any recipe can be. The others show which metric notices what, and in which direction. The damage
itself is done to the pictures in `pipeline/stages/treat.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.interfaces import MetricSpec, Side
from harness.metrics.licence import Answer, Licence, Response, licence
from harness.metrics.statistics.intervals import Ends, difference_of
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Base, Recipe
from harness.pages.stages import Treatment, TreatSpec
from harness.pipeline.judging_steps import judging_steps, real_picture_steps
from harness.pipeline.plan import RunPlan, plan
from harness.pipeline.protocol import protocol_of
from harness.pipeline.steps import step_of
from harness.records import Result, Score, Step, StepName, column_of

REAL = "real"
SUBFOLDER = "card"
SEEDS = 2
ROWS: dict[str, tuple[Treatment, str]] = {
    REAL: ("none", "half of the reference, against the other half"),
    "blur": ("blur", "softened"),
    "jpeg": ("jpeg", "saved as JPEG at quality 6"),
    "noise": ("noise", "with coarse grain"),
    "grey": ("grey", "without colour"),
    "black": ("black", "one in four black"),
    "patches": ("patches", "cut into sixteen parts that are laid anew"),
    "smears": ("smears", "soft, bent areas in mixed colours"),
    "shuffled": ("shuffled", "each with another picture's caption"),
    "collapsed": ("collapsed", "four pictures over and over, twice for every prompt"),
}
COPIES, OTHER = "copies", "other-style"
SHARES = {"other-25": 0.25, "other-50": 0.5, "other-75": 0.75}
"""The rows in which so many of the pictures are of another style."""
MIXTURES = (*SHARES, OTHER)


@dataclass(frozen=True)
class SanityCard:
    """Metrics down, treatments across."""

    benchmark: str
    metrics: tuple[Score, ...]
    """The floor of each."""
    treatments: Mapping[str, str]
    cells: Mapping[tuple[str, str], Answer]
    """By metric and treatment."""

    def licence(self, score: Score, metric: MetricSpec) -> Licence:
        """Return what the card says of a metric, whose floor is `score`."""
        if score.value is None:
            return Licence("unavailable", reason=score.reason)
        answers = {name: self.cells[score.metric, name] for name in self.treatments}
        return licence(metric.must_detect, answers, score.n, metric.higher_is_better, MIXTURES)


def plans(judgement: Judgement, base: Recipe) -> list[RunPlan]:
    """Return a plan for every row of the card; `base` draws the pictures of another style."""
    pictures = real_picture_steps(judgement)
    if "reference" not in pictures:
        raise UsageError(
            f"{judgement.benchmark.name} has no reference to make a sanity card of",
            hint="add reference to the benchmark",
        )
    reference = pictures["reference"]
    floor = _treated(REAL, reference, _spec(judgement, half=0))
    against = _treated("reference", reference, TreatSpec(half=1))
    sides: dict[Side, Step] = pictures | {"reference": against}
    before = tuple(
        replace(step, title=StepName("pictures", extractor=side)) for side, step in pictures.items()
    )
    planned = []
    for name, (treatment, _) in ROWS.items():
        treated = _treated(name, reference, _spec(judgement, treatment, half=0))
        planned.append(_row(name, treated, judgement, sides | {"base": floor}, before))
    if "originals" in pictures:
        copies = _treated(COPIES, pictures["originals"], _spec(judgement))
        planned.append(_row(COPIES, copies, judgement, sides, before))
    drawn = plan(base, judgement).step("sample")
    if drawn.inputs:
        return planned
    floored, others = sides | {"base": floor}, replace(drawn, title=StepName("others"))
    for name, share in SHARES.items():
        spec = _spec(judgement, "mixed", half=0).model_copy(update={"share": share})
        inputs = {"images": reference.key, "others": drawn.key}
        mixed = step_of(name, "sample", spec, inputs, reference.subject)
        planned.append(_row(name, mixed, judgement, floored, (*before, others)))
    return [*planned, _row(OTHER, drawn, judgement, sides, before)]


def _spec(
    judgement: Judgement, treatment: Treatment = "none", half: Literal[0, 1] | None = None
) -> TreatSpec:
    """Return as many pictures as a recipe draws, two of them for a prompt: diversity within
    prompts has something to see."""
    return TreatSpec(treatment=treatment, half=half, count=judgement.images, seeds=SEEDS)


def _treated(name: str, pictures: Step, spec: TreatSpec) -> Step:
    return step_of(name, "sample", spec, {"images": pictures.key}, pictures.subject)


def _row(
    name: str,
    sample: Step,
    judgement: Judgement,
    sides: Mapping[Side, Step],
    before: tuple[Step, ...],
) -> RunPlan:
    protocol = protocol_of(judgement, Base(model="real pictures")) | {"card": name}
    sides = {**sides, **_as_drawn(sample, judgement, sides)}
    sample = replace(sample, title=StepName("sample"))
    work = (*before, *sides.values(), sample, *judging_steps(name, sample, judgement, sides))
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=tuple({step.key: step for step in work}.values()),
        signature=digest(protocol)[:16],
        protocol=protocol,
        origin="images supplied",
        summary=ROWS[name][1] if name in ROWS else _OTHERS[name],
    )


def _as_drawn(sample: Step, judgement: Judgement, sides: Mapping[Side, Step]) -> dict[Side, Step]:
    """Return a row's pictures in place of what a recipe would draw beside its sample."""
    steps: dict[Side, Step] = {}
    if judgement.benchmark.extraction is not None:
        steps["captions"] = replace(sample, title=StepName("captions"))
    if judgement.benchmark.leakage is not None and "base" in sides:
        steps["bare"] = replace(sample, title=StepName("bare"))
        steps["bare-base"] = replace(sides["base"], title=StepName("bare-base"))
    return steps


_OTHERS = {
    COPIES: "pictures that recipes train on, as they are",
    OTHER: "drawn by the bare base, which was taught no style",
    **{name: f"{share:.0%} of them drawn by the bare base" for name, share in SHARES.items()},
}


def card(results: Sequence[Result]) -> SanityCard:
    """Return the card from the results of its rows."""
    by_name = {result.recipe: result for result in results}
    if REAL not in by_name:
        raise UsageError("the sanity card has no row of real pictures", hint="harness sanity")
    floor = by_name[REAL]
    others = [name for name in (*ROWS, COPIES, *MIXTURES) if name in by_name and name != REAL]
    cells = {
        (score.metric, name): _cell(score, _same(by_name[name], score))
        for score in floor.scores
        for name in others
    }
    treatments = {name: by_name[name].summary for name in others}
    return SanityCard(floor.benchmark, floor.scores, treatments, cells)


def _same(result: Result, score: Score) -> Score | None:
    return next((each for each in result.scores if each.metric == score.metric), None)


def _cell(floor: Score, score: Score | None) -> Answer:
    if score is None or score.value is None:
        reason = score.reason if score else "another N"
        return Answer(None, None, None, None, "unavailable", reason)
    if score.base is not None:
        delta, low, high = score.base.delta, score.base.low, score.base.high
    elif floor.value is None:
        return Answer(score.value, None, None, None, "unavailable", floor.reason)
    else:
        delta, low, high = difference_of(_ends(score), _ends(floor))
    if low <= 0 <= high:
        response: Response = "none"
    else:
        response = "better" if (delta > 0) == score.higher_is_better else "worse"
    return Answer(score.value, delta, low, high, response)


def _ends(score: Score) -> Ends:
    assert score.value is not None
    assert score.low is not None
    assert score.high is not None
    return score.value, score.low, score.high


def licences(card: SanityCard, metrics: Sequence[MetricSpec]) -> dict[str, Licence]:
    """Return what the card says of every metric on it: which may judge, and why others may not."""
    by_column = {metric.column: metric for metric in metrics}
    return {
        score.metric: card.licence(score, by_column[column_of(score.metric)])
        for score in card.metrics
    }


def undetected(licences: Mapping[str, Licence]) -> list[tuple[str, str]]:
    """Return each metric and damage that it should have found worse, and did not."""
    return [(metric, damage) for metric, each in licences.items() for damage in each.missed]

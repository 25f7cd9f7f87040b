"""The records that travel between the rooms: steps, plans, artifacts, scores, results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.interfaces import Page

StageName = Literal[
    "data",
    "latents",
    "texts",
    "train",
    "probe",
    "gradients",
    "blame",
    "sample",
    "decoys",
    "damage",
    "features",
    "sanity",
    "score",
]


FLAGGING = frozenset({"copying", "broken"})
"""Families whose metrics look for a finding that no good value outweighs."""
PREPARED = ("data", "texts", "latents", "gradients")
"""Roles that a plan may have several steps of: one a set that is trained on."""


@dataclass(frozen=True)
class StepName:
    """The name of a step in its plan, or of an input in its step: the only code that cuts one.

    As text it is `train`, `texts-2`, `features/clip-1a2b3c4d`, `base/clip-1a2b3c4d`, and
    `seed3/train` in a result of several trainings.
    """

    role: str
    """What the step makes, or whose images it is about: `texts`, `train`, `features`, `base`."""
    set: str = ""
    """Which of several sets that are trained on."""
    extractor: str = ""
    """Whose features of the images they are."""
    seed: int | None = None
    """Which of several trainings the step belongs to."""

    @classmethod
    def parse(cls, text: str) -> StepName:
        seed = re.match(r"seed(\d+)/", text)
        role, _, extractor = text[seed.end() if seed else 0 :].partition("/")
        first, _, part = role.partition("-")
        if first not in PREPARED:
            first, part = role, ""
        return cls(first, part, extractor, int(seed[1]) if seed else None)

    @classmethod
    def of_features(cls, side: str, extractor: str) -> StepName:
        """Return the name of the features of a side's images; `sample` is the side judged."""
        return cls("features" if side == "sample" else side, extractor=extractor)

    def of_training(self, seed: int | None) -> StepName:
        return replace(self, seed=seed)

    def __str__(self) -> str:
        seed = "" if self.seed is None else f"seed{self.seed}/"
        part = f"-{self.set}" if self.set else ""
        extractor = f"/{self.extractor}" if self.extractor else ""
        return f"{seed}{self.role}{part}{extractor}"


@dataclass(frozen=True)
class Step:
    """One piece of work: which stage, on what spec, from which inputs."""

    title: StepName
    """Unique in its plan; not part of the key."""
    stage: StageName
    version: int
    spec: Page
    inputs: Mapping[str, str]
    """Keys of the steps it reads, by the part they play."""
    key: str
    subject: str = ""
    """The recipe or benchmark it is for; not part of the key."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Keys of steps that it reads too, and that change nothing of what it makes: not in its key."""

    @property
    def reads(self) -> dict[str, str]:
        """Return the keys of all steps that it reads, by the part they play."""
        return {**self.inputs, **self.beside}

    @property
    def name(self) -> str:
        """The title as text, as results and logs have it."""
        return str(self.title)


@dataclass(frozen=True)
class Artifact:
    """A finished folder of the store."""

    key: str
    path: Path
    manifest: Mapping[str, Any]


LARGEST = 1e30
"""No value, count or seed of a result is beyond this; its square is still a number."""
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_STEP_NAME = re.compile(r"[\w./@+-]{1,120}")
FINITE = ConfigDict(allow_inf_nan=False)
"""What is no number is None with a reason, and never NaN, beside which nothing can be ranked."""


class Versus(Page):
    """The base model's value, and how far the result lies from it, paired by prompt."""

    model_config = FINITE
    value: float
    """The base model's value."""
    delta: float
    """The result's value minus the base's."""
    low: float
    """The lower end of the difference's interval."""
    high: float
    """The upper end of the difference's interval."""


LICENSED = "licensed"
"""The licence of a metric that may judge; more words say which damage it was not asked about."""


def is_licensed(words: str) -> bool:
    """Return whether a licence lets a metric rank, recommend, pass and fail."""
    return words == LICENSED or words.startswith(f"{LICENSED}, ")


class Score(Page):
    """One metric of one result.

    >>> score = harness.load_result("tiny").score("kid")
    >>> score.low < score.value < score.high
    True
    """

    model_config = FINITE
    metric: str
    """The metric's column, with N if N moves its value, as `fid@n=500`."""
    value: float | None
    """The value; None if it could not be computed."""
    low: float | None
    """The lower end of the 95 % interval."""
    high: float | None
    """The upper end of the 95 % interval."""
    n: int
    """How many images the value was computed from."""
    higher_is_better: bool
    """Whether a higher value is a better one."""
    reason: str | None = None
    """Why there is no value; None if there is one."""
    family: str = ""
    """The kind of metric, such as fidelity or prompt."""
    notes: tuple[str, ...] = ()
    """What a reader of the value should know."""
    flag: str | None = None
    """A finding that no good value can outweigh, such as copied pictures."""
    base: Versus | None = None
    """The bare base at the same prompts and seeds, if the benchmark draws it."""
    floor: float | None = None
    """What real pictures get, if the benchmark has a sanity card."""
    licence: str | None = None
    """`licensed`, perhaps with what could not be asked, or why the metric may not rank, recommend,
    pass or fail; None if the benchmark has no sanity card."""
    runs: tuple[float, ...] = ()
    """The value of each training run, if there are several."""
    between: float | None = None
    """The standard deviation between the training runs."""

    @property
    def may_judge(self) -> bool:
        """Whether nothing is known that forbids the metric to rank, recommend, pass or fail."""
        return self.licence is None or is_licensed(self.licence)


@dataclass(frozen=True)
class PseudoValues:
    """A result's jackknife pseudo-values and the bare base's, by metric's column and prompt."""

    own: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    base: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of metrics that the benchmark asks of the base too."""


def column_of(metric: str) -> str:
    """Return a metric's column, which its label carries before N."""
    return metric.split("@")[0]


class Accounting(Page):
    """What became of every image that was expected."""

    expected: int
    """Images that the benchmark asks for."""
    generated: int
    """Images that were made."""
    failed: int
    """Images that are missing or cannot be read."""
    black: int = 0
    """Images that are black."""
    scored: int
    """Images that were scored."""
    named: tuple[str, ...] = ()
    """Each image that is missing, broken or black, with the reason."""
    kinds: dict[str, int] = Field(default_factory=dict)
    """How many supplied images were of each kind that is converted, such as 16-bit or rgba."""

    @property
    def oddity(self) -> str | None:
        """Return what does not add up, if anything."""
        counts = (self.expected, self.generated, self.failed, self.black, self.scored)
        if min(counts) < 0:
            return "a count is below 0"
        if self.generated + self.failed != self.expected:
            return f"{self.generated} generated and {self.failed} failed of {self.expected}"
        if self.scored > self.generated or self.black > self.generated:
            return f"{self.scored} scored and {self.black} black of {self.generated}"
        return None


class Interval(Page):
    """A value with its 95 % interval."""

    model_config = FINITE
    value: float
    """The value."""
    low: float
    """The lower end of its interval."""
    high: float
    """The upper end of its interval."""


class MemberTest(Interval):
    """Whether trained pictures are told from unseen ones by what the adapter gained on each.

    The value is an AUC: 0.5 where they cannot be told apart, 1 where every one can.
    """

    p: float
    """The share of permutations of the pictures with as high an AUC."""
    significant: bool
    """Whether p is 0.01 at most: training pictures are known one by one."""


class ProbedTimestep(Page):
    """What the loss probe says at one timestep."""

    timestep: int
    """The timestep; low ones have little noise."""
    gain: Interval | None
    """The gain on held-out pictures; None where a loss is not finite."""
    trained_gain: Interval | None
    """The gain on pictures that were trained on."""
    auc: float | None
    """The AUC of the member test at this timestep alone."""


class ProbedTag(Page):
    """What the loss probe says of the held-out pictures with one tag."""

    tag: str
    """The tag."""
    pictures: int
    """How many held-out pictures have it."""
    gain: Interval
    """The gain on them."""


class ProbedStep(Page):
    """What the loss probe says of one checkpoint."""

    step: int
    """The step of training after which it was kept."""
    gain: Interval | None
    """By which share its loss on held-out pictures is below the base's; below 0 it is worse."""
    trained_gain: Interval | None
    """The same on pictures that were trained on."""
    member: MemberTest | None
    """The member test; None where there are too few pictures or a loss is not finite."""
    timesteps: tuple[ProbedTimestep, ...] = ()
    """The same by timestep."""
    tags: tuple[ProbedTag, ...] = ()
    """The gain by tag, of the last checkpoint."""
    reason: str | None = None
    """Why a figure is missing."""


class Probe(Page):
    """What the losses of a base and its checkpoints say, without a picture drawn."""

    trained: int
    """How many pictures that were trained on were asked about."""
    held_out: int
    """How many held-out pictures were asked about."""
    steps: tuple[ProbedStep, ...]
    """Every kept checkpoint, the end last."""


class Result(Page):
    """One recipe judged by one benchmark.

    >>> result = harness.load_result("tiny").result
    >>> result.images.expected, result.images.failed
    (36, 0)
    """

    schema_version: Literal[1] = 1
    """The version of this form of file; always 1."""
    recipe: str
    """The name of the recipe."""
    benchmark: str
    """The name of the benchmark."""
    signature: str
    """A digest of all that makes rows comparable; rows with another one are not ranked with
    this."""
    protocol: dict[str, Any]
    """What the signature is a digest of."""
    summary: str = ""
    """The recipe's own sentence."""
    origin: Literal["trained", "loaded", "adapter supplied", "images supplied"] = "trained"
    """Where the weights or the images come from."""
    training_seeds: tuple[int, ...] = ()
    """The seed of each training run; several for replicates."""
    interval: Literal["file", "recipe"] = "file"
    """What the intervals hold for: these weights, or any training of the recipe."""
    keys: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    """The key of each step's artifact in the store."""
    images: Accounting
    """What became of every expected image."""
    scores: Annotated[tuple[Score, ...], Field(min_length=1)]
    """A score for each metric of the benchmark."""
    probe: Probe | None = None
    """What the loss probe says, if the recipe holds pictures out of training."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Where, when and with which versions the result was made."""

    @model_validator(mode="after")
    def _refuse_what_no_reader_can_use(self) -> Self:
        for name in ("recipe", "benchmark", "signature"):
            if _NAME.fullmatch(getattr(self, name)) is None:
                raise ValueError(f"{name} is empty, has control characters or more than 200")
        if any(_STEP_NAME.fullmatch(name) is None for name in self.keys):
            raise ValueError("keys names a step that has no such name")
        if self.interval == "recipe" and not self.training_seeds:
            raise ValueError("its intervals are of a recipe, and it names no training seeds")
        KnownProvenance.model_validate(self.provenance)
        _require_numbers(self.model_dump(exclude={"summary"}))
        return self


class Efficiency(BaseModel):
    """What the work of a result cost, as far as it is known."""

    model_config = ConfigDict(strict=True)
    train_device: str | None = None
    sample_device: str | None = None
    train_seconds: float | None = None
    train_peak_memory_mb: float | None = None
    adapter_mb: float | None = None
    seconds_an_image: float | None = None


class KnownProvenance(BaseModel):
    """The parts of a provenance that are shown, as far as a result has them."""

    model_config = ConfigDict(strict=True)
    packages: dict[str, Any] | None = None
    page: dict[str, Any] | None = None
    seconds: dict[str, float] | None = None
    efficiency: Efficiency | None = None
    loss: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = None


def _require_numbers(value: Any) -> None:
    """Refuse a number that no reader can reckon with, however deep it lies."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        if isinstance(value, int | float) and not abs(value) <= LARGEST:
            raise ValueError(f"a number is not finite or beyond {LARGEST:g}")
        return
    for each in value:
        _require_numbers(each)

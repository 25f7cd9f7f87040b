"""The records that travel between the rooms: steps, plans, artifacts, scores, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, Page, SourceSpec, Spec

StageName = Literal["data", "latents", "texts", "train", "sample", "features", "score"]


@dataclass(frozen=True)
class Step:
    """One piece of work: which stage, on what spec, from which inputs."""

    name: str
    """Unique in its plan, such as `features/clip`; not part of the key."""
    stage: StageName
    version: int
    spec: Page
    inputs: Mapping[str, str]
    """Keys of the steps it reads, by the part they play."""
    key: str
    subject: str = ""
    """The recipe or benchmark it is for; not part of the key."""


def make_step(
    name: str,
    stage: StageName,
    version: int,
    spec: Page,
    inputs: Mapping[str, str] | None = None,
    subject: str = "",
) -> Step:
    """Return the step with its key, which needs nothing to have run."""
    inputs = dict(inputs or {})
    key = digest([stage, version, described(spec), inputs])
    return Step(name, stage, version, spec, inputs, key, subject)


def described(value: Any) -> Any:
    """Return a spec as plain values without its defaults, so a new option changes no old key."""
    if isinstance(value, Spec):
        fields = type(value).model_fields
        return {
            name: described(getattr(value, name)) if name in fields else part
            for name, part in value.fingerprint().items()
            if name == "use" or name not in fields or getattr(value, name) != fields[name].default
        }
    if isinstance(value, Page):
        return {
            name: described(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if name not in value.outside_key and getattr(value, name) != field.default
        }
    if isinstance(value, dict):
        return {str(name): described(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [described(part) for part in value]
    return value


def extractor_name(extractor: ExtractorSpec) -> str:
    """Return a short name that tells the extractors of one benchmark apart."""
    return f"{extractor.use}-{digest(described(extractor))[:8]}"


def version_of(source: SourceSpec) -> str:
    """Return the version of a data set: a digest of its content, or of its name and revision."""
    return digest(described(source))[:16]


@dataclass(frozen=True)
class Artifact:
    """A finished folder of the store."""

    key: str
    path: Path
    manifest: Mapping[str, Any]


FINITE = ConfigDict(allow_inf_nan=False)
"""What is no number is None with a reason, and never NaN, beside which nothing can be ranked."""


class Versus(Page):
    """The base model's value, and how far the result lies from it, paired by prompt."""

    model_config = FINITE
    value: float
    delta: float
    low: float
    high: float


class Score(Page):
    """One metric of one result."""

    model_config = FINITE
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    higher_is_better: bool
    reason: str | None = None
    """Why there is no value; None where there is one."""
    family: str = ""
    notes: tuple[str, ...] = ()
    flag: str | None = None
    """A finding that no good value can outweigh, such as copied pictures."""
    base: Versus | None = None
    """The bare base at the same prompts and seeds, where the benchmark draws it."""
    runs: tuple[float, ...] = ()
    """Each training run's value, where there are several."""
    between: float | None = None
    """The standard deviation between them."""


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
    generated: int
    failed: int
    black: int = 0
    scored: int
    named: tuple[str, ...] = ()
    """Each image that is missing, broken or black, with the reason."""


class Result(Page):
    """One recipe judged by one benchmark."""

    schema_version: Literal[1] = 1
    recipe: str
    benchmark: str
    signature: str
    protocol: dict[str, Any]
    """What the signature is a digest of, in words."""
    summary: str = ""
    origin: Literal["trained", "loaded", "adapter supplied", "images supplied"] = "trained"
    training_seeds: tuple[int, ...] = ()
    interval: Literal["file", "recipe"] = "file"
    """What the intervals hold for: these weights, or any training of the recipe."""
    keys: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    images: Accounting
    scores: Annotated[tuple[Score, ...], Field(min_length=1)]
    provenance: dict[str, Any] = Field(default_factory=dict)

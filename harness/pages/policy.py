"""A policy: what a candidate is held to. Per metric, how much worse than the baseline it may be,
how far from it, and within which bounds; it knows neither recipes nor results.

    schema_version: 1
    name: trainer
    summary: "What a change of the trainer may do to naruto-1024."
    claim: recipe  # any training of it, not this one file; if left out, as far as noise is known
    images: 0  # how many may be missing, failed or black
    allow_missing: [tag-recall]  # the baseline has it, and the candidate may lack it
    metrics:
      - {metric: kid}  # no worse than equal runs differ: `harness calibrate` measures it
      - {metric: clip-score, margin: 0.3, least: 25}  # 0.3 worse is no harm
      - {metric: fid, window: 0.47}  # neither worse nor better: 2 % of 23.48, as MLPerf has it
    cases:  # prompts that must not get worse, each judged by itself
      - {prompt: cat-3}  # an id; the metric is the first that judges single images
      - {tag: hands, metric: clip-score, margin: 0.5}  # all prompts with a tag, or of a suite

A policy that names no metric holds the declared ones of the comparison to their noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.errors import UsageError
from harness.interfaces import Page
from harness.pages.recipe import Name
from harness.pages.yaml import load_page

Column = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class Limits(Page):
    """What one metric is held to, all in its own unit."""

    metric: Column
    """The column of the metric, without N."""
    margin: Annotated[float, Field(ge=0)] | None = None
    """How much worse than the baseline still passes; if left out, the measured noise."""
    least: float | None = None
    """The lowest value that passes; no bound if left out."""
    most: float | None = None
    """The highest value that passes; no bound if left out."""
    window: Annotated[float, Field(gt=0)] | None = None
    """How far from the baseline a value may lie on either side; alone, it is the margin too."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"has a least of {self.least:g} above its most of {self.most:g}")
        return self

    @property
    def has_margin(self) -> bool:
        """Whether being worse is judged by itself."""
        return self.margin is not None or self.window is None


class Case(Page):
    """Prompts that must not get worse, whatever the mean over all prompts does."""

    prompt: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The id of one prompt."""
    tag: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """A tag or a suite: all prompts of it, taken together."""
    metric: Column | None = None
    """A metric with values of single images; if left out, the first that may judge."""
    margin: Annotated[float, Field(ge=0)] | None = None
    """How much worse still passes; if left out, the measured noise of these prompts."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.prompt is None) == (self.tag is None):
            raise ValueError("names a prompt or a tag: one of them")
        return self

    @property
    def title(self) -> str:
        return f"prompt {self.prompt}" if self.prompt is not None else f"tag {self.tag}"


class Policy(Page):
    """What must hold for a candidate to pass.

    >>> harness.Policy(name="mine", summary="No image may be missing.").images
    0
    """

    schema_version: Literal[1] = 1
    """The version of this form of page; always 1."""
    name: Name
    """The name of the page, the same as its file's."""
    summary: str = Field(min_length=1, max_length=300)
    """One sentence for lists: what the page is for."""
    claim: Literal["file", "recipe"] | None = None
    """What a verdict is about; if left out, the recipe if its spread is known, else the file."""
    images: Annotated[int, Field(ge=0)] = 0
    """How many images may be missing, failed or black."""
    allow_missing: tuple[Column, ...] = ()
    """Metrics that the baseline has and the candidate may lack; the report names them."""
    metrics: tuple[Limits, ...] = ()
    """If empty, the declared metrics of the comparison."""
    cases: tuple[Case, ...] = ()
    """Prompts that must not get worse, each a check of its own."""

    @field_validator("cases")
    @classmethod
    def _once(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        keys = [(each.title, each.metric) for each in cases]
        repeated = next((key for at, key in enumerate(keys) if key in keys[:at]), None)
        if repeated is not None:
            raise ValueError(f"names the case of {repeated[0]} twice")
        return cases

    @field_validator("metrics")
    @classmethod
    def _distinct(cls, metrics: tuple[Limits, ...]) -> tuple[Limits, ...]:
        names = [each.metric for each in metrics]
        repeated = next((name for at, name in enumerate(names) if name in names[:at]), None)
        if repeated is not None:
            raise ValueError(f"names {repeated!r} twice: write all its limits in one place")
        return metrics


DEFAULT = Policy(name="default", summary="No declared metric gets worse by more than noise does.")


def load(file: Path) -> Policy:
    """Return the policy in a file."""
    if not file.is_file():
        raise UsageError(f"there is no policy {file}", hint="a policy is given by its file")
    return load_page(Policy, file)

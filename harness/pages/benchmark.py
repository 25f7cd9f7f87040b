"""A benchmark: how to judge. Prompts, seeds, sampler, metrics, reference; no recipe in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness import plugins
from harness.errors import PageError, Problem, UsageError
from harness.fingerprint import digest
from harness.interfaces import Drawn, ExtractorSpec, MetricSpec, Page, Side
from harness.pages.data import Count
from harness.pages.folders import available, find
from harness.pages.recipe import Name
from harness.pages.split import Split
from harness.pages.yaml import Located, load_page, read_page


class Prompt(Page):
    """One prompt, under an id that never changes its meaning."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """The id of the prompt. It never changes its meaning."""
    text: str = Field(min_length=1, max_length=10_000)
    """What the image should show."""
    tags: tuple[str, ...] = ()
    """Groups that the prompt belongs to; reports show scores by tag."""
    negative: str | None = None
    """What this image should not show; if left out, the sampler's `negative`."""


class PromptSuite(Page):
    """A named, versioned list of prompts; prompts are added, never edited."""

    schema_version: Literal[1] = 1
    """The version of this form of page; always 1."""
    name: Name
    """The name of the page, the same as its file's."""
    version: Count
    """Raised when prompts are added; part of every signature."""
    summary: str = Field(min_length=1, max_length=300)
    """One sentence for lists: what the page is for."""
    prompts: tuple[Prompt, ...] = Field(min_length=1)
    """The prompts, each with an id of its own."""

    @field_validator("prompts")
    @classmethod
    def _distinct(cls, prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
        repeated = _repeated([prompt.id for prompt in prompts])
        if repeated:
            raise ValueError(f"holds the prompt id {repeated!r} twice")
        return prompts


class Sampler(Page):
    """How noise becomes an image."""

    scheduler: Literal["ddim", "euler", "euler-a", "own"] = "euler"
    """The rule that takes noise away step by step; own: the one that comes with the base."""
    steps: Annotated[int, Field(ge=1, le=1000)]
    """Sampler steps of an image."""
    guidance: Annotated[float, Field(ge=0, le=50)]
    """The weight of classifier-free guidance; 1 and below: none."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    """The image's width in pixels."""
    height: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    """The image's height in pixels."""
    negative: str = ""
    """What images should not show, if a prompt has no negative of its own."""
    prompt_style: Literal["plain", "webui"] = "plain"
    """plain: 77 tokens as they stand. webui: `(word:1.05)`, `[word]`, BREAK and any length."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """The numbers that the networks compute in."""
    vae: str | None = None
    """One VAE for all rows, in place of each recipe's own."""
    vae_revision: str | None = None
    """A commit, branch or tag of the VAE's repository; if left out, its main branch."""
    options: dict[str, bool | int | float | str] = {}
    """Other arguments of a base's pipeline, by its own names, such as `max_sequence_length: 256`;
    SDXL takes none."""
    adapter_scale: Annotated[float, Field(ge=0, le=4)] = 1.0
    """The factor on what an adapter changes; 1 is the adapter as it was trained."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class Reference(Page):
    """Real pictures; those that no recipe trains on, where `part` is held-out."""

    source: plugins.Source
    """The set of pictures."""
    part: Split = "all"
    """Which rows of the set: all, all but the held-out fifth (train), or that fifth (held-out)."""
    resolution: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    """Pictures are cropped to the middle square and resized to this many pixels a side."""


class Asked(Page):
    """Prompts that are drawn beside the benchmark's own."""

    suites: tuple[str, ...] = Field(min_length=1)
    """The names of prompt suites."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    """One image is drawn of every prompt for each seed."""


class Benchmark(Page):
    """How every recipe is judged under one name.

    >>> page = harness.load_benchmark("tiny-v1").benchmark
    >>> page.suites, page.seeds
    (('tiny',), (1, 2, 3, 4))
    """

    schema_version: Literal[1] = 1
    """The version of this form of page; always 1."""
    name: Name
    """The name of the page, the same as its file's."""
    summary: str = Field(min_length=1, max_length=300)
    """One sentence for lists: what the page is for."""
    suites: tuple[str, ...] = ()
    """The names of the prompt suites that every recipe answers; without any, the benchmark judges
    only pictures that exist already."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    """One image is drawn of every prompt for each seed."""
    sampler: Sampler | None = None
    """How images are drawn; it goes with `suites`."""
    reference: Reference | None = None
    """Real pictures to compare with, for metrics that need them."""
    originals: Reference | None = None
    """The pictures that recipes train on, among which metrics look for copies."""
    decoys: tuple[Reference, ...] = ()
    """Pictures in other styles, such as sets of other artists, for metrics that tell the
    reference's style from others."""
    base: bool = False
    """Whether the bare base is drawn too, for comparison with every score."""
    leakage: Asked | None = None
    """Prompts drawn without a recipe's own words: what does the adapter change unasked?"""
    extraction: Asked | None = None
    """Captions of originals: does the adapter return the pictures behind them?"""
    metrics: tuple[plugins.Metric, ...] = Field(min_length=1)
    """What is measured, a metric a line."""
    licences: bool = True
    """Whether metrics must show on a sanity card that they may judge. It is made with the first
    run, from the reference; without a reference there is none."""

    @property
    def judges_pictures(self) -> bool:
        """Return whether it names no prompts, and judges only pictures that exist."""
        return not self.suites

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        repeated = _repeated(seeds)
        if repeated is not None:
            raise ValueError(f"holds the seed {repeated} twice: each image would count twice")
        return seeds

    @field_validator("suites")
    @classmethod
    def _distinct_suites(cls, suites: tuple[str, ...]) -> tuple[str, ...]:
        repeated = _repeated(suites)
        if repeated:
            raise ValueError(f"names the suite {repeated!r} twice")
        return suites

    @field_validator("metrics")
    @classmethod
    def _distinct_metrics(cls, metrics: tuple[MetricSpec, ...]) -> tuple[MetricSpec, ...]:
        repeated = _repeated([metric.column for metric in metrics])
        if repeated:
            raise ValueError(f"names {repeated!r} twice: give one of them another name")
        return metrics

    @model_validator(mode="after")
    def _drawn_by_all_it_takes(self) -> Self:
        if self.suites and self.sampler is None:
            raise ValueError("names suites, and no sampler that draws them: add sampler")
        if not self.suites:
            drawn = ("sampler", "base", "leakage", "extraction")
            useless = next((name for name in drawn if getattr(self, name)), None)
            if useless:
                raise ValueError(f"has {useless}, and no prompts to draw: add suites")
            if self.reference is None:
                raise ValueError("has neither prompts nor real pictures: add suites or reference")
        return self

    @model_validator(mode="after")
    def _sides_where_needed(self) -> Self:
        there = {
            "reference": self.reference,
            "damaged": self.reference,
            "originals": self.originals,
            "decoys": self.base or self.decoys,
            "base": self.base,
            "bare-base": self.leakage,
            "bare": self.leakage,
            "captions": self.extraction,
            "sample": True,
        }
        for metric in self.metrics:
            for side in (metric.judges, *metric.reads):
                if not there[side]:
                    field = _FIELDS.get(side, side)
                    raise ValueError(f"{metric.column} needs {field}: add {field}")
        return self


_FIELDS = {
    "damaged": "reference",
    "decoys": "base",
    "bare": "leakage",
    "bare-base": "leakage",
    "captions": "extraction",
}


@dataclass(frozen=True)
class Judgement:
    """A benchmark with its suites at hand."""

    benchmark: Benchmark
    suites: tuple[PromptSuite, ...]
    leakage: tuple[PromptSuite, ...] = ()
    extraction: tuple[PromptSuite, ...] = ()

    @property
    def prompts(self) -> list[Prompt]:
        return [prompt for suite in self.suites for prompt in suite.prompts]

    @property
    def images(self) -> int:
        return len(self.prompts) * len(self.benchmark.seeds)

    @property
    def sampler(self) -> Sampler:
        """Return how images are drawn; refuse where the benchmark draws none."""
        if self.benchmark.sampler is None:
            name = self.benchmark.name
            raise UsageError(
                f"{name} names no prompts: it judges only pictures that exist",
                hint=f"`harness score --images DIR --benchmark {name}`, or add suites and sampler",
            )
        return self.benchmark.sampler

    def with_pictures(self, count: int) -> Judgement:
        """Return a judgement without prompts as if it had `count` of them, one a picture."""
        if self.suites:
            return self
        numbers = [f"picture-{number:05d}" for number in range(1, count + 1)]
        prompts = tuple(Prompt(id=each, text=each) for each in numbers)
        suite = PromptSuite(name="pictures", version=1, summary="Pictures.", prompts=prompts)
        return replace(self, suites=(suite,))

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return self.benchmark.metrics

    def extractors(self, side: Drawn | Side | None = None) -> list[ExtractorSpec]:
        """Return each extractor that some metric reads, once; or those it reads of one side."""
        unique: dict[str, ExtractorSpec] = {}
        for metric in self.metrics:
            beside = side == "base" and metric.judges == "sample"
            asked = (metric.judges, *metric.reads, *metric.may_read)
            if side is None or beside or side in asked:
                extractor = metric.extractor()
                unique.setdefault(digest(extractor.fingerprint()), extractor)
        return list(unique.values())


def load(name: str | Path) -> Judgement:
    """Return the benchmark called `name` with its suites."""
    file = find("benchmark", str(name))
    benchmark = load_page(Benchmark, file)
    located = read_page(file)
    problems: list[Problem] = []
    suites = _suites(benchmark.suites, located, ("suites",), problems)
    asked = {
        field: _suites(beside.suites if beside else (), located, (field, "suites"), problems)
        for field, beside in (("leakage", benchmark.leakage), ("extraction", benchmark.extraction))
    }
    if problems:
        raise PageError(problems)
    return Judgement(benchmark, suites, **asked)


def _suites(
    names: tuple[str, ...], located: Located, at: tuple[str, ...], problems: list[Problem]
) -> tuple[PromptSuite, ...]:
    """Return the suites of these names; what is wrong with them goes to `problems`."""
    known, suites = available("suite"), []
    field = ".".join(at)
    for index, suite in enumerate(names):
        if suite in known:
            suites.append(load_page(PromptSuite, known[suite]))
        else:
            message, hint = f"names no suite: {suite!r}", f"known: {', '.join(known)}"
            line = located.line((*at, index))
            problems.append(Problem(located.file, line, f"{field}[{index}]", message, hint))
    repeated = _repeated([prompt.id for suite in suites for prompt in suite.prompts])
    if repeated:
        message = f"contain the prompt id {repeated!r} twice"
        hint = "ids are unique in a benchmark"
        problems.append(Problem(located.file, located.line(at), field, message, hint))
    return tuple(suites)


def _repeated(values: Sequence[Any]) -> Any:
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None

"""What a recipe learns from: a source, which of its rows, and how their words become captions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness import plugins
from harness.interfaces import Page, SourceSpec
from harness.parts import Part, size_of
from harness.quarrels import Quarrel, refuse
from harness.reading import Reading

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Bound(Page):
    """One step of a scale: the first bound that a value reaches names it."""

    tag: str
    at_least: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.at_least is not None and self.above is not None:
            refuse([Quarrel(("above",), "and at_least exclude each other")])
        return self

    def holds(self, value: float) -> bool:
        if self.at_least is not None:
            return value >= self.at_least
        return self.above is None or value > self.above


class Curate(Page):
    """Which rows of the source are kept."""

    min_side: Count | None = None
    aspect: tuple[float, float] | None = None
    """Width / height: the narrowest and the widest."""
    ratings: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    limit: Count | None = None
    """Keep only the first rows that pass."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.aspect is not None and not 0 < self.aspect[0] <= self.aspect[1]:
            refuse([Quarrel(("aspect",), "must name the narrowest first, then the widest")])
        return self


class Caption(Page):
    """How a row's words become the text that is trained on."""

    words: Literal["caption", "tags", "tags+caption", "none"] = "caption"
    prefix: str = ""
    """An instance prompt or quality words; the row's own words follow after a comma."""
    important: tuple[str, ...] | None = None
    """Of the row's tags, only these; written with underscores or spaces."""
    score_tags: tuple[Bound, ...] = ()
    aesthetic_tags: tuple[Bound, ...] = ()
    rating_tags: dict[str, str] = {}
    year: bool = False
    dropout: Share = 0.0
    """How often a sample is shown without any words."""
    shuffle: bool = False
    """Put the tags in another order each time; prefix and scale words stay in front."""
    keep_first: Annotated[int, Field(ge=0)] = 0
    """So many of the row's first tags stay where they are, and are never dropped."""
    tag_dropout: Share = 0.0
    """How often each tag is left out."""
    variants: Count | None = None
    """How many readings of a picture's words are prepared; eight where words vary, else one."""
    chunks: Annotated[int, Field(ge=1, le=3)] = 1
    """Windows of 75 tokens a caption may fill; one is what the official scripts read."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        varies = {"shuffle": self.shuffle, "tag_dropout": self.tag_dropout > 0}
        found = [
            Quarrel((name,), "needs words, and words is none")
            for name, given in varies.items()
            if given and self.words == "none"
        ]
        if self.keep_first and not any(varies.values()):
            found.append(Quarrel(("keep_first",), "says nothing without shuffle or tag_dropout"))
        refuse(found)
        return self


class Data(Page):
    """Pictures and their words."""

    source: plugins.union("sources")  # type: ignore[valid-type]
    booster: plugins.union("sources") | None = None  # type: ignore[valid-type]
    """A second set, mixed in whole."""
    part: Part = "all"
    """train leaves out the fifth of all rows that a held-out reference shows."""
    curate: Curate = Curate()
    caption: Caption = Caption()
    reading: Reading = Reading()

    @property
    def most(self) -> int | None:
        """Return how many pictures there are at most, where that is known without looking."""
        return most(self.source, self.booster, self.part, self.curate)


def most(source: SourceSpec, booster: SourceSpec | None, part: Part, curate: Curate) -> int | None:
    """Return how many pictures are left at most, where that is known without looking."""
    sizes = [size_of(each, part) for each in (source, booster) if each is not None]
    known = None if None in sizes else sum(size for size in sizes if size is not None)
    limits = [size for size in (known, curate.limit) if size is not None]
    return min(limits, default=None)

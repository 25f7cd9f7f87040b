"""What a recipe learns from: a source, which of its rows, and how their words become captions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness import plugins
from harness.conflicts import Conflict, refuse
from harness.fingerprint import digest_input
from harness.interfaces import Page, SourceSpec, Spec
from harness.pages.decoding import Reading
from harness.pages.split import Split, size_of

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Bound(Page):
    """One step of a scale: the first bound that a value reaches names it."""

    tag: str
    """The word that is put into the caption."""
    at_least: float | None = None
    """The lowest value that gets this tag."""
    above: float | None = None
    """The value must be above this; excludes at_least. Without both, every value gets the tag."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.at_least is not None and self.above is not None:
            refuse([Conflict(("above",), "and at_least exclude each other")])
        return self

    def holds(self, value: float) -> bool:
        if self.at_least is not None:
            return value >= self.at_least
        return self.above is None or value > self.above


class Span(Page):
    """A stretch of numbers, both ends included; one end may be open."""

    at_least: float | None = None
    """The lowest value that is kept; no bound if left out."""
    at_most: float | None = None
    """The highest value that is kept; no bound if left out."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.at_least is None and self.at_most is None:
            refuse([Conflict((), "names neither at_least nor at_most")])
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:  # type: ignore[operator]
            refuse([Conflict(("at_most",), f"({self.at_most:g}) is less than at_least")])
        return self

    def holds(self, value: float) -> bool:
        low = -math.inf if self.at_least is None else self.at_least
        return low <= value <= (math.inf if self.at_most is None else self.at_most)


class TagRules(Page):
    """Which tags a row must and must not have; written with underscores or spaces."""

    all_of: tuple[str, ...] = ()
    """A row must have all of these tags."""
    any_of: tuple[str, ...] = ()
    """A row must have one of these tags at least, if there are any here."""
    none_of: tuple[str, ...] = ()
    """A row must have none of these tags."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        wanted = {spoken(tag) for tag in self.all_of}
        refuse(
            Conflict(("none_of", at), f"{tag!r} is asked for by all_of")
            for at, tag in enumerate(self.none_of)
            if spoken(tag) in wanted
        )
        return self


def spoken(tag: str) -> str:
    """Return a tag as it is read: with spaces for underscores."""
    return tag.replace("_", " ")


class Subset(Page):
    """A share of the rows, by a digest of their ids: the same rows, whatever else is asked."""

    share: Annotated[float, Field(gt=0, le=1)]
    """The share of the rows that is kept, above 0 and up to 1."""
    salt: str = ""
    """Text that decides which rows: another salt chooses others."""


class Curate(Page):
    """Which rows of the source are kept. Rules are asked in the order in which they stand here."""

    min_side: Count | None = None
    """Pixels that the shorter side must have at least."""
    max_side: Count | None = None
    """Pixels that the longer side may have at most."""
    min_pixels: Count | None = None
    """Pixels that a picture must have at least, width × height."""
    aspect: tuple[float, float] | None = None
    """The narrowest and the widest width / height that is kept."""
    ratings: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The ratings that are kept, as the source spells them; all if left out."""
    score: Span | None = None
    """The scores that are kept; all if left out."""
    aesthetic: Span | None = None
    """The aesthetic values that are kept; all if left out."""
    year: Span | None = None
    """The years that are kept; all if left out."""
    tags: TagRules | None = None
    """Tags that a row must have, or must not have."""
    subset: Subset | None = None
    """Keep only a share of the rows; all by default."""
    near_duplicates: Annotated[int, Field(ge=0, le=8)] | None = None
    """Bits in which the fact `phash` must differ, at least one more, from every row kept before."""
    limit: Count | None = None
    """Keep only the first rows that pass."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.aspect is not None and not 0 < self.aspect[0] <= self.aspect[1]:
            refuse([Conflict(("aspect",), "must name the narrowest first, then the widest")])
        return self


Cleaning = Literal["urls", "signatures", "control", "whitespace", "duplicates"]
"""What is taken out of words: addresses; handles and tags that speak of a signature; characters
that do not print; spaces in a row; tags that were there before."""


class Caption(Page):
    """How a row's words become the text that is trained on."""

    words: Literal["caption", "tags", "tags+caption", "none"] = "caption"
    """Which of the row's words the caption is made of."""
    clean: tuple[Cleaning, ...] = ()
    """What is removed from the words; nothing by default."""
    prefix: str = ""
    """An instance prompt or quality words; the row's own words follow after a comma."""
    important: tuple[str, ...] | None = None
    """Keep only these of the row's tags; written with underscores or spaces."""
    score_tags: tuple[Bound, ...] = ()
    """Tags for the fact `score`: the first bound that it reaches."""
    aesthetic_tags: tuple[Bound, ...] = ()
    """Tags for the fact `aesthetic`: the first bound that it reaches."""
    rating_tags: dict[str, str] = {}
    """A tag for each rating, as `{safe: sfw}`."""
    year: bool = False
    """Put the fact `year` into the caption, as `year 2023`."""
    dropout: Share = 0.0
    """How often a sample is shown without any words."""
    shuffle: bool = False
    """Shuffle the tags each time; prefix and score words stay in front."""
    keep_first: Annotated[int, Field(ge=0)] = 0
    """How many of the row's first tags stay in place and are never dropped."""
    tag_dropout: Share = 0.0
    """How often each tag is left out."""
    variants: Count | None = None
    """How many captions are prepared for a picture; if left out, eight if words vary, else one."""
    chunks: Annotated[int, Field(ge=1, le=3)] = 1
    """Windows of 75 tokens a caption may fill; one is what the official scripts read."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        varies = {"shuffle": self.shuffle, "tag_dropout": self.tag_dropout > 0}
        conflicts = [
            Conflict((name,), "needs words, and words is none")
            for name, given in varies.items()
            if given and self.words == "none"
        ]
        if self.keep_first and not any(varies.values()):
            conflicts.append(
                Conflict(("keep_first",), "has no effect without shuffle or tag_dropout")
            )
        refuse(conflicts)
        return self


class Recaption(Spec):
    """Captions from elsewhere, by the ids of the rows."""

    implementation: ClassVar[str] = "harness.data.curation.recaption:read"
    use: Literal["parquet"] = "parquet"
    """The form of the file; parquet is the only one."""
    file: str
    """A Parquet file with a row for each caption."""
    id: str = "id"
    """The column with the ids of rows."""
    text: str = "caption"
    """The column with the captions."""
    merge: Literal["replace", "append", "prefer"] = "prefer"
    """prefer takes the other caption where there is one, append puts it behind the row's own,
    replace forgets the row's own even where there is no other."""

    def fingerprint(self) -> dict[str, Any]:
        file = Path(self.file)
        content = digest_input(file) if file.is_file() else None
        own = self.model_dump(mode="json", exclude={"file"})
        return {**own, "version": self.version, "content": content}


class Booster(Page):
    """Another set, of which so much is mixed in that it makes up a share of the whole."""

    source: plugins.Source
    """The set that is mixed in."""
    weight: Annotated[float, Field(gt=0, lt=1)]
    """The share of this set in the result."""


class Data(Page):
    """Pictures and their words."""

    source: plugins.Source
    """The set of pictures."""
    booster: plugins.Source | None = None
    """A second set, all of which is mixed in."""
    part: Split = "all"
    """Which rows: all, all but the held-out fifth (train), or that fifth (held-out)."""
    curate: Curate = Curate()
    """The rules that choose rows; all rows by default."""
    caption: Caption = Caption()
    """The rules that make captions of the rows' words."""
    boosters: tuple[Booster, ...] = ()
    """More sets, mixed in by weight and curated by the same rules; `limit` does not count them."""
    recaption: Recaption | None = None
    """Captions from another file, by the ids of rows; none by default."""
    without: tuple[str, ...] = ()
    """The ids of rows to leave out, such as those that `harness blame` found to hurt. An id that
    no row has is an error."""
    reading: Reading = Reading()
    """What becomes of transparent, animated, huge, tiny or repeated pictures."""

    @field_validator("without")
    @classmethod
    def _distinct(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return each id once and in order, so that the same rows make the same key."""
        return tuple(sorted(set(ids)))

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if (total := sum(each.weight for each in self.boosters)) >= 1:
            refuse(
                [
                    Conflict(
                        ("boosters",),
                        f"have weights that sum to {total:g}: the sum must be below 1",
                    )
                ]
            )
        return self

    @property
    def most(self) -> int | None:
        """Return how many pictures there are at most, where that is known without looking."""
        return most(self.source, self.booster, self.part, self.curate, self.boosters)


def most(
    source: SourceSpec,
    booster: SourceSpec | None,
    split: Split,
    curate: Curate,
    boosters: tuple[Booster, ...] = (),
) -> int | None:
    """Return how many pictures are left at most, where that is known without looking."""
    sizes = [size_of(each, split) for each in (source, booster) if each is not None]
    known = None if None in sizes else sum(size for size in sizes if size is not None)
    limits = [size for size in (known, curate.limit) if size is not None]
    fewest = min(limits, default=None)
    return fewest if fewest is None else fewest + sum(portions(fewest, boosters))


def portions(rows: int, boosters: tuple[Booster, ...]) -> list[int]:
    """Return how many rows of each booster beside `rows` others make up its share of the whole."""
    own = 1 - sum(each.weight for each in boosters)
    return [round(rows * each.weight / own) for each in boosters]

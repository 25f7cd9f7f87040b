"""The rules of curation. Each is declared once: its name, its test of a row, the same test in SQL.

Both engines walk RULES from first to last: by_row.py asks `keeps`, by_column.py asks `sql`. A row
is dropped under the first rule that it breaks, and a fact that is unknown breaks its rule. A new
rule is a field of `pages.data.Curate` and an entry here. A rule that looks at other rows too has
only its name here: its two tests are in near_duplicates.py and boosters.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from harness.data.curation.table import MetadataTable
from harness.data.facts import below, draw, draw_sql, number, word
from harness.data.sql import double, listed
from harness.pages import split
from harness.pages.data import Caption, Curate, Recaption, Span, Subset, TagRules, spoken
from harness.pages.split import Split
from harness.pages.validation import HeldShare

VALIDATION = "harness validation v1\n"
"""What stands before a row's id when it draws for `train.validation.share`."""
SUBSET = "harness subset v1"
"""What stands before a row's salt and id when it draws for `subset`."""
WITHOUT, NEAR_DUPLICATES, WEIGHT = "without", "near_duplicates", "weight"
Setting = TypeVar("Setting")


class Row(Protocol):
    """What is known of one row without its picture."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def facts(self) -> Mapping[str, Any] | None: ...
    @property
    def captions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class CurationSettings:
    """What a page asks of a set's rows."""

    part: Split = "all"
    curate: Curate = field(default_factory=Curate)
    caption: Caption = field(default_factory=Caption)
    recaption: Recaption | None = None
    without: tuple[str, ...] = ()
    validation: HeldShare | None = None


@dataclass(frozen=True)
class Rule(Generic[Setting]):
    """One reason to drop a row."""

    name: str
    """What rows that break it are counted under."""
    setting: Callable[[CurationSettings], Setting | None]
    """What a page asks for; None where it does not ask."""
    keeps: Callable[[Row, Setting], bool]
    sql: Callable[[MetadataTable, Setting], str]
    """What holds for a row that is kept; NULL counts as broken."""
    is_cheap: bool = True
    """Whether it reads numbers and short words alone, so that it may be asked twice."""


def _fact(row: Row, name: str) -> Any:
    return (row.facts or {}).get(name)


def _sides(row: Row) -> tuple[float, float] | None:
    """Return width and height, where both are known."""
    width, height = number(_fact(row, "width")), number(_fact(row, "height"))
    return None if width is None or height is None else (width, height)


def _sides_sql(table: MetadataTable) -> tuple[str, str, str]:
    """Return width, height, and whether both are known."""
    width, height = table.number("width"), table.number("height")
    return width, height, f"{width} IS NOT NULL AND {height} IS NOT NULL"


def _min_side_sql(table: MetadataTable, least: int) -> str:
    width, height, known = _sides_sql(table)
    return f"{known} AND least({width}, {height}) >= {least}"


def _max_side_sql(table: MetadataTable, most: int) -> str:
    width, height, known = _sides_sql(table)
    return f"{known} AND greatest({width}, {height}) <= {most}"


def _min_pixels_sql(table: MetadataTable, least: int) -> str:
    width, height, known = _sides_sql(table)
    area = f"({width}) * ({height})"
    return f"{known} AND {area} >= {least} AND NOT isnan({area})"


def _has_aspect(row: Row, aspect: tuple[float, float]) -> bool:
    width, height = _sides(row) or (0.0, 0.0)
    return bool(width and height) and aspect[0] <= width / height <= aspect[1]


def _has_aspect_sql(table: MetadataTable, aspect: tuple[float, float]) -> str:
    width, height, _ = _sides_sql(table)
    low, high = map(double, aspect)
    return f"{width} <> 0 AND ({width}) / nullif({height}, 0) BETWEEN {low} AND {high}"


def _span(fact: str) -> Rule[Span]:
    """Return the rule that a fact lies within a stretch of numbers."""

    def keeps(row: Row, span: Span) -> bool:
        value = number(_fact(row, fact))
        return value is not None and span.holds(value)

    def sql(table: MetadataTable, span: Span) -> str:
        value = f"({table.number(fact)})"
        low = [] if span.at_least is None else [f"{value} >= {double(span.at_least)}"]
        high = [] if span.at_most is None else [f"{value} <= {double(span.at_most)}"]
        return " AND ".join([*low, *high])

    return Rule(fact, lambda page: getattr(page.curate, fact), keeps, sql)


def _wanted_tags(page: CurationSettings) -> TagRules:
    return page.curate.tags or TagRules()


def _tags(row: Row) -> set[str]:
    """Return a row's tags; a row without any is one whose tags are unknown."""
    return {spoken(tag) for tag in row.tags if tag}


def _tags_sql(table: MetadataTable, holds: str, wanted: tuple[str, ...]) -> str:
    tags = f"list_transform({table.tags()}, lambda t: replace(t, '_', ' '))"
    return holds.format(tags=tags, wanted=f"[{listed(map(spoken, wanted))}]")


def _before(subset: Subset) -> str:
    return f"{SUBSET}\n{subset.salt}\n"


def _in_subset(row: Row, subset: Subset) -> bool:
    bound = below(subset.share)
    return bound is None or draw(_before(subset), row.id) < bound


def _in_subset_sql(table: MetadataTable, subset: Subset) -> str:
    bound = below(subset.share)
    return "true" if bound is None else f"{draw_sql(_before(subset))} < '{bound}'"


def _held(row: Row, held: HeldShare) -> bool:
    bound = below(held.share)
    return bound is None or draw(VALIDATION, row.id) < bound


def _held_sql(held: HeldShare) -> str:
    bound = below(held.share)
    return "true" if bound is None else f"{draw_sql(VALIDATION)} < '{bound}'"


_HELD_OUT_SQL = f"{draw_sql(split.RULE)} < '{split.BELOW}'"
RULES: tuple[Rule[Any], ...] = (
    Rule[frozenset[str]](
        WITHOUT,
        setting=lambda page: frozenset(page.without) or None,
        keeps=lambda row, ids: row.id not in ids,
        sql=lambda table, ids: f"id NOT IN ({listed(sorted(ids))})",
    ),
    Rule[bool](
        "held-out",
        setting=lambda page: True if page.part == "train" else None,
        keeps=lambda row, _: not split.is_held_out(row.id),
        sql=lambda table, _: f"NOT {_HELD_OUT_SQL}",
        is_cheap=False,
    ),
    Rule[bool](
        "train",
        setting=lambda page: True if page.part == "held-out" else None,
        keeps=lambda row, _: split.is_held_out(row.id),
        sql=lambda table, _: _HELD_OUT_SQL,
        is_cheap=False,
    ),
    Rule[HeldShare](
        "validation",
        setting=lambda page: page.validation,
        keeps=lambda row, held: _held(row, held) == (held.side == "held-out"),
        sql=lambda table, held: (
            _held_sql(held) if held.side == "held-out" else f"NOT {_held_sql(held)}"
        ),
        is_cheap=False,
    ),
    Rule[int](
        "min_side",
        setting=lambda page: page.curate.min_side,
        keeps=lambda row, least: (sides := _sides(row)) is not None and min(sides) >= least,
        sql=_min_side_sql,
    ),
    Rule[int](
        "max_side",
        setting=lambda page: page.curate.max_side,
        keeps=lambda row, most: (sides := _sides(row)) is not None and max(sides) <= most,
        sql=_max_side_sql,
    ),
    Rule[int](
        "min_pixels",
        setting=lambda page: page.curate.min_pixels,
        keeps=lambda row, least: (s := _sides(row)) is not None and s[0] * s[1] >= least,
        sql=_min_pixels_sql,
    ),
    Rule[tuple[float, float]](
        "aspect",
        setting=lambda page: page.curate.aspect,
        keeps=_has_aspect,
        sql=_has_aspect_sql,
    ),
    Rule[tuple[str, ...]](
        "ratings",
        setting=lambda page: page.curate.ratings,
        keeps=lambda row, ratings: word(_fact(row, "rating")) in ratings,
        sql=lambda table, ratings: f"{table.word('rating')} IN ({listed(ratings)})",
    ),
    _span("score"),
    _span("aesthetic"),
    _span("year"),
    Rule[tuple[str, ...]](
        "tags.all_of",
        setting=lambda page: _wanted_tags(page).all_of or None,
        keeps=lambda row, wanted: _tags(row).issuperset(map(spoken, wanted)),
        sql=lambda table, wanted: _tags_sql(table, "list_has_all({tags}, {wanted})", wanted),
        is_cheap=False,
    ),
    Rule[tuple[str, ...]](
        "tags.any_of",
        setting=lambda page: _wanted_tags(page).any_of or None,
        keeps=lambda row, wanted: not _tags(row).isdisjoint(map(spoken, wanted)),
        sql=lambda table, wanted: _tags_sql(table, "list_has_any({tags}, {wanted})", wanted),
        is_cheap=False,
    ),
    Rule[tuple[str, ...]](
        "tags.none_of",
        setting=lambda page: _wanted_tags(page).none_of or None,
        keeps=lambda row, unwanted: (
            bool(tags := _tags(row)) and tags.isdisjoint(map(spoken, unwanted))
        ),
        sql=lambda table, unwanted: _tags_sql(
            table, "len({tags}) > 0 AND NOT list_has_any({tags}, {wanted})", unwanted
        ),
        is_cheap=False,
    ),
    Rule[Subset](
        "subset",
        setting=lambda page: page.curate.subset,
        keeps=_in_subset,
        sql=_in_subset_sql,
        is_cheap=False,
    ),
)
NAMES = (*(rule.name for rule in RULES), NEAR_DUPLICATES, WEIGHT)
"""The names of all rules, in the order in which they are asked."""


def asked(page: CurationSettings) -> list[tuple[Rule[Any], Any]]:
    """Return the rules that a page asks for, each with what it asks."""
    settings = ((rule, rule.setting(page)) for rule in RULES)
    return [(rule, setting) for rule, setting in settings if setting is not None]


def failed_rule(row: Row, rules: list[tuple[Rule[Any], Any]]) -> str | None:
    """Return the first of the asked rules that a row breaks."""
    return next((rule.name for rule, setting in rules if not rule.keeps(row, setting)), None)

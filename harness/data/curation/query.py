"""A page's rules as one query: which rows of a table are kept, and what their prompts are.

curate.py and captions.py are the definition, row by row; this file says the same in SQL, once for
all rows, and no picture is opened. Words that are shuffled or drop out at random are the one thing
it leaves to captions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.data.curation import table as columns
from harness.data.curation.by_row import SUBSET
from harness.data.curation.captions import varies
from harness.data.curation.cleaning import SIGNATURES, patterns
from harness.data.curation.table import Metadata, literal
from harness.data.facts import below
from harness.pages.data import Bound, Caption, Curate, Recaption, Span, TagRules, spoken
from harness.pages.split import BELOW, RULE, Split


@dataclass(frozen=True)
class Rules:
    """What a page asks of a set's rows."""

    part: Split = "all"
    curate: Curate = field(default_factory=Curate)
    caption: Caption = field(default_factory=Caption)
    recaption: Recaption | None = None


Condition = tuple[str, str]
"""A rule's name, and what holds for a row that keeps it; unknown counts as broken."""


def conditions(table: Metadata, rules: Rules) -> list[Condition]:
    """Return the rules that look at one row alone, in the order in which they are asked."""
    curate = rules.curate
    return [
        *_part(rules.part),
        *_sides(table, curate),
        *_facts(table, curate),
        *_tags(table.tags(), curate.tags or TagRules()),
        *_lots(curate),
    ]


def query(table: Metadata, rules: Rules, source: str) -> str:
    """Return every row in order with the number of the rule it breaks, 0 where it breaks none.

    Of a row that breaks one nothing but its number is there.
    """
    caption = rules.caption
    kept = {
        "id": "id",
        "text": "text",
        "prompt": "NULL::VARCHAR" if varies(caption) else _prompt(table, caption),
        "tags": "tags",
        **{columns.written(name): table.fact(name)[0] for name in table.meaning.facts},
    }
    shown = "".join(
        f", CASE WHEN rule = 0 THEN {sql} END AS {columns.quoted(name)}"
        for name, sql in kept.items()
    )
    order = " ORDER BY row" if rules.recaption else ""  # a join keeps none
    return (
        f"WITH judged AS ({_judged(table, rules, source)}), "
        f"told AS ({_told(rules.recaption)}), worded AS ({_worded(caption)}) "
        f"SELECT row, rule{shown} FROM worded{order}"
    )


def hashes(table: Metadata, rules: Rules, source: str) -> str:
    """Return number and perceptual hash of each row that breaks no rule."""
    hashed = columns.hashed(*table.fact("phash"))
    judged = _judged(table, rules, source)
    return f"SELECT row, {hashed} AS phash FROM ({judged}) WHERE rule = 0"


def _judged(table: Metadata, rules: Rules, source: str) -> str:
    """Return the rows with the number of the first rule they break."""
    asked = conditions(table, rules)
    cases = "".join(
        f" WHEN NOT coalesce({sql}, false) THEN {at}" for at, (_, sql) in enumerate(asked, 1)
    )
    rule = f"CASE{cases} ELSE 0 END" if asked else "0"
    ruled = f"SELECT *, ({rule})::UTINYINT AS rule FROM ({columns.rows(table, source)})"
    return f"SELECT *, {_kept(table.tags())} AS tags FROM ({ruled})"


def _part(part: Split) -> Iterator[Condition]:
    held_out = f"{_lot(RULE)} < '{BELOW}'"
    if part == "train":
        yield "held-out", f"NOT {held_out}"
    if part == "held-out":
        yield "train", held_out


def _sides(table: Metadata, rules: Curate) -> Iterator[Condition]:
    width, height = (columns.value(*table.fact(side)) for side in ("width", "height"))
    known = f"{width} IS NOT NULL AND {height} IS NOT NULL"
    if rules.min_side is not None:
        yield "min_side", f"{known} AND least({width}, {height}) >= {rules.min_side}"
    if rules.max_side is not None:
        yield "max_side", f"{known} AND greatest({width}, {height}) <= {rules.max_side}"
    if rules.min_pixels is not None:
        area = f"({width}) * ({height})"
        yield "min_pixels", f"{known} AND {area} >= {rules.min_pixels} AND NOT isnan({area})"
    if rules.aspect is not None:
        low, high = (_number(bound) for bound in rules.aspect)
        shape = f"({width}) / nullif({height}, 0)"
        yield "aspect", f"{width} <> 0 AND {shape} BETWEEN {low} AND {high}"


def _facts(table: Metadata, rules: Curate) -> Iterator[Condition]:
    if rules.ratings is not None:
        rating = columns.word(*table.fact("rating"))
        yield "ratings", f"{rating} IN ({_list(rules.ratings)})"
    for name in ("score", "aesthetic", "year"):
        span: Span | None = getattr(rules, name)
        if span is not None:
            number = f"({columns.value(*table.fact(name))})"
            low = [f"{number} >= {_number(span.at_least)}"] if span.at_least is not None else []
            high = [f"{number} <= {_number(span.at_most)}"] if span.at_most is not None else []
            yield name, " AND ".join([*low, *high])


def _tags(tags: str, rules: TagRules) -> Iterator[Condition]:
    for name, wanted, holds in (
        ("tags.all_of", rules.all_of, "list_has_all({there}, [{wanted}])"),
        ("tags.any_of", rules.any_of, "list_has_any({there}, [{wanted}])"),
        (
            "tags.none_of",
            rules.none_of,
            "len({there}) > 0 AND NOT list_has_any({there}, [{wanted}])",
        ),
    ):
        if wanted:
            yield name, holds.format(there=_spoken(tags), wanted=_list(map(spoken, wanted)))


def _lots(rules: Curate) -> Iterator[Condition]:
    if rules.subset is not None:
        bound = below(rules.subset.share)
        drawn = _lot(f"{SUBSET}\n{rules.subset.salt}\n")
        yield "subset", "true" if bound is None else f"{drawn} < '{bound}'"


def _lot(before: str) -> str:
    """Return a row's lot as SQL: see facts.lot."""
    return f"substr(sha256({literal(before)} || id), 1, 16)"


def _told(recaption: Recaption | None) -> str:
    """Return the judged rows with what another file says of them: see recaption.py."""
    if recaption is None:
        return "SELECT * FROM judged"
    other = "coalesce(other, '')"
    merged = {
        "replace": other,
        "prefer": f"CASE WHEN {other} <> '' THEN {other} ELSE text END",
        "append": f"concat_ws(', ', nullif(text, ''), nullif({other}, ''))",
    }[recaption.merge]
    name, text = columns.quoted(recaption.id), columns.quoted(recaption.text)
    found = (
        f"SELECT {name}::VARCHAR AS known, arg_min({text}, file_row_number) AS other "
        f"FROM read_parquet({literal(recaption.file)}, file_row_number = true) GROUP BY known"
    )
    return f"SELECT * REPLACE ({merged} AS text) FROM judged LEFT JOIN ({found}) ON id = known"


def _worded(rules: Caption) -> str:
    """Return the rows with `said`, their tags as a text, and `sentence`, their own."""
    sentence, said = "''", "''"
    if "caption" in rules.words:
        sentence = _cleaned("text", rules)
    if "tags" in rules.words:
        said = _said(rules)
    return f"SELECT *, {_kept(sentence)} AS sentence, {_kept(said)} AS said FROM told"


def _kept(sql: str) -> str:
    return f"CASE WHEN rule = 0 THEN {sql} END"


def _cleaned(text: str, rules: Caption) -> str:
    for pattern, instead in patterns(rules.clean):
        text = f"regexp_replace({text}, {literal(pattern)}, {literal(instead)}, 'g')"
    return f"trim({text})" if "whitespace" in rules.clean else text


def _said(rules: Caption) -> str:
    """Return a row's tags as they are said: cleaned, and only those that matter.

    These come first, so that few tags are left for the rest. A long text is cheaper to change
    than many short ones, and no rule needs the underscores gone before but those that look.
    """
    said = "tags"
    if patterns(rules.clean):
        said = f"list_transform({said}, lambda t: {_cleaned('t', rules)})"
        said = f"list_filter({said}, lambda t: t <> '')"
    if rules.important is not None:
        wanted = _list(spelling for tag in rules.important for spelling in _spellings(tag))
        one = f"lambda t: list_contains([{wanted}], t)"
        said = f"list_filter({said}, {one})" if wanted else "[]::VARCHAR[]"
    if not {"signatures", "duplicates"} & set(rules.clean):
        return f"replace(array_to_string({said}, ', '), '_', ' ')"
    said = _spoken(said)
    if "signatures" in rules.clean:
        said = f"list_filter({said}, lambda t: t NOT IN ({_list(SIGNATURES)}))"
    if "duplicates" in rules.clean:
        said = f"list_filter({said}, lambda t, place: list_position({said}, t) = place)"
    return f"array_to_string({said}, ', ')"


def _spellings(tag: str) -> list[str]:
    """Return every spelling that is said as `tag`, with an underscore or a space at each gap."""
    first, *others = spoken(tag).split(" ")
    found = [first] if spoken(tag) else []
    for each in others:
        found = [f"{before}{gap}{each}" for before in found for gap in "_ "]
    return found


def _spoken(tags: str) -> str:
    return f"list_transform({tags}, lambda t: replace(t, '_', ' '))"


def _prompt(table: Metadata, rules: Caption) -> str:
    parts = [
        literal(rules.prefix),
        _scale(rules.score_tags, columns.value(*table.fact("score"))),
        _scale(rules.aesthetic_tags, columns.value(*table.fact("aesthetic"))),
        _rating(rules.rating_tags, columns.word(*table.fact("rating"))),
        f"'year ' || ({columns.year(*table.fact('year'))})" if rules.year else "''",
        "said",
        "sentence",
    ]
    said = ", ".join(f"nullif({part}, '')" for part in parts if part != "''")
    return f"concat_ws(', ', {said})"


def _scale(scale: tuple[Bound, ...], number: str) -> str:
    """Return the word of the first bound that a number reaches, as SQL."""
    if not scale:
        return "''"
    cases = "".join(f" WHEN {_reached(bound, number)} THEN {literal(bound.tag)}" for bound in scale)
    return f"CASE{cases} END"


def _reached(bound: Bound, number: str) -> str:
    if bound.at_least is not None:
        return f"({number}) >= {_number(bound.at_least)}"
    if bound.above is not None:
        return f"({number}) > {_number(bound.above)}"
    return f"({number}) IS NOT NULL"


def _rating(words: dict[str, str], rating: str) -> str:
    if not words:
        return "''"
    cases = "".join(
        f" WHEN {literal(each)} THEN {literal(says)}" for each, says in words.items() if each
    )
    return f"CASE {rating}{cases} END" if cases else "''"


def _number(value: float) -> str:
    """Return a number as SQL, exactly; plain decimals would be read as decimals, not floats."""
    return f"'{float(value)!r}'::DOUBLE"


def _list(words: Iterable[str]) -> str:
    return ", ".join(literal(each) for each in words)

"""pages.md: every field of every page, from the JSON Schemas, and what each metric is blind to,
from the sanity card that ships with the results of pocket-v1.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness import plugins
from harness.interfaces import MetricSpec
from harness.metrics.sanity_card import SanityCard
from harness.pages import benchmark
from harness.pages.schemas import SCHEMAS, schema
from harness.pipeline.results.tables import read_card
from harness.records import Score, column_of

Schema = Mapping[str, Any]
INTRODUCTION = """\
# Pages, field by field

<!-- Written by `python -m tools.reference` from the JSON Schemas. Do not edit. -->

A page is a YAML file that a person writes. A field without a default must be given. A field that
names a plugin is a mapping with the word `use` and the plugin's own options, as
`optimizer: {use: adamw, weight_decay: 0.01}`.
"""
BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
}
CARD = Path(__file__).parents[2] / "reports" / "pocket-v1" / "pocket-base.sanity.parquet"
HEARD = {
    "worse": "finds worse:",
    "none": "is blind to:",
    "better": "takes for better:",
    "unavailable": "cannot be asked about:",
}
"""What a metric says of a damage, in words."""
NO_CARD = "*No card that ships has asked it: `harness sanity` asks it on your benchmark.*"
NAMES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "nothing",
    "object": "mapping",
}


def reference() -> str:
    """Return the reference of all pages as Markdown."""
    written = {name: schema(model) for name, model in SCHEMAS.items()}
    sections = [INTRODUCTION]
    for name, page in written.items():
        kind = name.partition(".")[0].capitalize()
        heading = f"## {kind}" if kind != "Result" else "## Result, which the harness writes"
        sections.append(_section(heading, page["description"], page))
    sections.append("## Parts\n\nMappings that stand inside of pages.\n")
    sections += [
        _section(f"### {name}", part["description"], part) for name, part in _parts(written)
    ]
    for group in plugins.GROUPS:
        sections.append(f"## Plugins: {group}\n")
        sections += [_plugin(word, spec) for word, spec in plugins.specs(group).items()]
    return "\n".join(sections)


def _parts(written: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """Yield every part of a page that is neither a page nor a plugin, once, by name."""
    defined = {name: part for page in written.values() for name, part in page["$defs"].items()}
    for name, part in sorted(defined.items()):
        if not _names_plugin(part):
            yield name, part


def _names_plugin(part: Schema) -> bool:
    return "const" in part.get("properties", {}).get("use", {}) and "file" not in part["properties"]


def _plugin(word: str, spec: type[BaseModel]) -> str:
    """Return the section of one plugin: what it is, what a metric is blind to, and its options."""
    page = schema(spec)
    options = {name: field for name, field in page["properties"].items() if name != "use"}
    text = inspect.getdoc(spec) or ""
    if issubclass(spec, MetricSpec):
        text = "\n\n".join([text, *seen(word, read_card(CARD))])
    return _section(f"### {word}", text, {**page, "properties": options})


def seen(word: str, card: SanityCard) -> list[str]:
    """Return, in words, what each column of a metric found and missed on the card of pocket-v1."""
    columns = [each.column for each in benchmark.load("pocket-v1").metrics if each.use == word]
    floors = {column_of(each.metric): each for each in card.metrics}
    told = [_told(column, floors[column], card) for column in columns if column in floors]
    return told or [NO_CARD]


def _told(column: str, floor: Score, card: SanityCard) -> str:
    """Return what one column said of each damage; what it calls better or equal, it is blind to."""
    said: dict[str, list[str]] = {}
    for damage in card.damages:
        said.setdefault(card.answers[floor.metric, damage].response, []).append(damage)
    parts = [f"{HEARD[kind]} {', '.join(said[kind])}" for kind in HEARD if kind in said]
    return f"*On the sanity card of pocket-v1, {floor.n} pictures, `{column}` {'; '.join(parts)}.*"


def _section(heading: str, text: str, part: Schema) -> str:
    """Return a heading, the description, and a table with one row a field."""
    rows = [_row(name, field, part) for name, field in part["properties"].items()]
    head = ["| field | what may stand there | default | what it is |", "|---|---|---|---|"]
    return "\n".join([heading, "", text, "", *(head + rows if rows else ["No options."]), ""])


def _row(name: str, field: Schema, part: Schema) -> str:
    needed = name in part.get("required", ())
    value = {} if "$ref" in field else field.get("default", {})
    default = "" if needed else f"`{_yaml(value)}`"
    cells = (f"`{name}`", _kind(field), default, field["description"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _kind(field: Schema) -> str:
    """Return in words what may stand in a field."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        word = _words().get(name, name)
        return f"[{word}](#{word.lower()})"
    if "discriminator" in field:
        return _choice(list(field["discriminator"]["mapping"]))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        kinds = [_kind(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if field.get("type") == "array":
        return _list(field)
    if "additionalProperties" in field and field["additionalProperties"] is not True:
        return f"mapping to {_kind(field['additionalProperties'])}"
    bounds = [text.format(field[name]) for name, text in BOUNDS.items() if name in field]
    looks = [f"`{field['pattern']}`"] if "pattern" in field else []
    return ", ".join([NAMES.get(field.get("type", ""), "anything"), *bounds, *looks])


@cache
def _words() -> dict[str, str]:
    """Return the word of every plugin by the name of its spec."""
    groups = [plugins.specs(group) for group in plugins.GROUPS]
    return {spec.__name__: word for group in groups for word, spec in group.items()}


def _choice(words: list[str]) -> str:
    """Return the group of plugins that these words are all of, or the words themselves."""
    for group in plugins.GROUPS:
        if set(words) == set(plugins.specs(group)):
            return f"one of the [{group}](#plugins-{group})"
    return ", ".join(f"`{word}`" for word in words)


def _list(field: Schema) -> str:
    """Return what a list holds; a list of fixed length names each place."""
    if "prefixItems" in field:
        return f"list of {', '.join(_kind(each) for each in field['prefixItems'])}"
    return f"list of {_kind(field['items'])}"


def _yaml(value: Any) -> str:
    """Return a default as it would be written on a page."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        given = {name: _yaml(part) for name, part in value.items() if part is not None}
        return f"{{{', '.join(f'{name}: {part}' for name, part in given.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    return '""' if value == "" else str(value)

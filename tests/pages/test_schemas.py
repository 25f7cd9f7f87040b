"""The JSON Schemas of pages: what an editor shows while a page is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.interfaces import Page
from harness.pages.schemas import SCHEMAS, schema


def fields(written: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of a schema and of its parts, with its path."""
    parts = {written["title"]: written, **written.get("$defs", {})}
    for title, part in parts.items():
        for name, field in part.get("properties", {}).items():
            yield f"{title}.{name}", field


@pytest.mark.parametrize("model", SCHEMAS.values(), ids=SCHEMAS)
def test_every_field_is_described(model: type[Page]) -> None:
    bare = [path for path, field in fields(schema(model)) if not field.get("description")]
    assert bare == []


def test_the_walk_over_all_fields_finds_them_all() -> None:
    everything = [path for model in SCHEMAS.values() for path, _ in fields(schema(model))]
    assert len(everything) > 550
    assert "Phase.rate" in everything
    assert "Kid.features" in everything


def test_a_field_is_described_by_its_own_class_before_any_that_it_inherits_from() -> None:
    described = dict(fields(schema(SCHEMAS["recipe.v1"])))
    assert described["AdamW8bit.use"]["description"] == "The word that names the plugin."
    assert described["Parquet.id"]["description"].startswith("The column with each row's id")
    assert described["Hub.id"]["description"].startswith("The set's id")

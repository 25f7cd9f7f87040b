"""Where a set comes from: its version, its revision, and the licence that its card names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.interfaces import Page, SourceSpec
from harness.keys import version_of

LIMIT = 1_000_000
"""Characters of a card that are read."""


def sources_in(value: Any) -> Iterator[SourceSpec]:
    """Yield every source that a part of a page names, in the order of its fields."""
    if isinstance(value, SourceSpec):
        yield value
    elif isinstance(value, Page):
        for name in type(value).model_fields:
            yield from sources_in(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from sources_in(each)


def identity_of(source: SourceSpec) -> dict[str, Any]:
    """Return what tells one version of a set from another; nothing is looked up."""
    named = {"use": source.use, "name": name_of(source), "version": version_of(source)}
    revision = getattr(source, "revision", None)
    return {**named, "revision": revision} if revision else named


def origin(source: SourceSpec) -> dict[str, Any]:
    """Return what is known of where a set comes from; what is not known is left out."""
    card = source.card()
    known = {"revision": _revision(card), **identity_of(source), "licence": licence_of(card)}
    return {name: part for name, part in known.items() if part is not None}


def name_of(source: SourceSpec) -> str:
    """Return what a source is called, and of what lies on this machine the last part alone."""
    named = (getattr(source, field, None) for field in ("path", "files", "set", "id"))
    name = next((str(name) for name in named if name), source.use)
    return PurePath(name).name if hasattr(source, "files") or Path(name).is_dir() else name


def licence_of(card: Path | None) -> str | None:
    """Return the licence in the head of a data set's card, or of all its licences the list."""
    if card is None or not card.is_file():
        return None
    with card.open(encoding="utf-8", errors="replace") as stream:
        parts = stream.read(LIMIT).split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        head = YAML(typ="safe", pure=True).load(parts[1])
    except (YAMLError, ValueError):
        return None
    said = head.get("license") if isinstance(head, dict) else None
    names = said if isinstance(said, list) else [said]
    return ", ".join(str(name) for name in names if name) or None


def _revision(card: Path | None) -> str | None:
    """Return the commit that the hub's cache keeps a card under."""
    if card is None or card.parent.parent.name != "snapshots":
        return None
    return card.parent.name

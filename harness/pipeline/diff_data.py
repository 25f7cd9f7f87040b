"""What is different between two sets, of pictures or curated: rows added, removed, changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import plugins
from harness.data.curation.curated_set import ROWS
from harness.data.curation.differences import changes
from harness.data.decoding import Unfit, decode
from harness.data.hashes import pixels_of
from harness.data.sources.provenance import origin
from harness.data.specs import Folder
from harness.errors import StoreError, UsageError
from harness.escaping import command
from harness.fingerprint import digest_input
from harness.interfaces import Picture
from harness.pages import recipe as recipes
from harness.pages.decoding import Reading
from harness.pipeline.stages.files import INDEX, Entry, read_index
from harness.pipeline.store.local import MANIFEST, Store
from harness.pipeline.training_steps import collected

FIRST = 10
"""Rows that are named of each kind."""
_SAID = ("file_name", "text", "tags", "weight")
"""Facts that are told as words or as a weight already, or are the row's name."""
_PREFIX = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Row:
    """One picture with its words."""

    file: Path
    content: str
    """Digest of the file's bytes."""
    words: tuple[Any, ...]
    facts: tuple[Any, ...] = ()
    """How much it counts, and what else is known of it."""


@dataclass(frozen=True)
class SetVersion:
    """A set as it stands somewhere: its rows by id, and what is known of where they are from."""

    name: str
    count: int
    unit: str = "pictures"
    rows: dict[str, Row] = field(default_factory=dict)
    """Of pictures; a curated set, which may hold millions, is compared where it lies."""
    sources: tuple[dict[str, Any], ...] = ()
    key: str | None = None
    """Of the artifact, where it is one."""

    def about(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "key": self.key,
            self.unit: self.count,
            "sources": list(self.sources),
        }


@dataclass(frozen=True)
class Difference:
    """What became of the rows of one set in another; `changed` says what of each."""

    a: SetVersion
    b: SetVersion
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]

    @property
    def same(self) -> int:
        return self.a.count - len(self.removed) - len(self.changed)

    def count(self, what: str) -> int:
        return sum(what in each for each in self.changed.values())

    def document(self) -> dict[str, Any]:
        first = [{"id": name, "what": list(what)} for name, what in self.changed.items()][:FIRST]
        return {
            "a": self.a.about(),
            "b": self.b.about(),
            "same": self.same,
            "added": {"count": len(self.added), "first": list(self.added[:FIRST])},
            "removed": {"count": len(self.removed), "first": list(self.removed[:FIRST])},
            "changed": {
                "count": len(self.changed),
                "picture": self.count("picture"),
                "words": self.count("words"),
                "facts": self.count("facts"),
                "first": first,
            },
        }


def between(a: str, b: str, store: Store) -> Difference:
    """Return the difference of two sets, each an artifact's key, a folder or a recipe."""
    if is_curated(Path(a)) or is_curated(Path(b)):
        return _between_curated(a, b)
    one, other = find_version(a, store), find_version(b, store)
    changed = {
        name: what
        for name, row in one.rows.items()
        if name in other.rows and (what := _changes(row, other.rows[name]))
    }
    return Difference(
        one,
        other,
        added=tuple(name for name in other.rows if name not in one.rows),
        removed=tuple(name for name in one.rows if name not in other.rows),
        changed=changed,
    )


def is_curated(folder: Path) -> bool:
    """Return whether a folder is what `harness curate` writes."""
    return (folder / ROWS).is_file()


def _between_curated(a: str, b: str) -> Difference:
    """Return the difference of two curated sets, told by their rows; no picture is opened."""
    for name in (a, b):
        if not is_curated(Path(name)):
            raise UsageError(
                f"{name} is no curated set, and the other is one",
                hint="`harness curate` makes one of a recipe's data",
            )
    whole_rows: dict[str, list[str]] = {"added": [], "removed": []}
    changed: dict[str, tuple[str, ...]] = {}
    for name, how in changes(Path(a) / ROWS, Path(b) / ROWS):
        if how in whole_rows:
            whole_rows[how].append(name)
        else:
            changed[name] = (*changed.get(name, ()), how)
    return Difference(
        _curated(a), _curated(b), tuple(whole_rows["added"]), tuple(whole_rows["removed"]), changed
    )


def _curated(name: str) -> SetVersion:
    document = _document(Path(name) / "report.json")
    return SetVersion(
        name, document.get("kept", 0), "rows", sources=tuple(document.get("sources", []))
    )


def find_version(name: str, store: Store) -> SetVersion:
    """Return the set that `name` means: a folder, else an artifact by its key, else a recipe."""
    if Path(name).is_dir():
        return _folder(name, Path(name))
    if _PREFIX.fullmatch(name):
        return _folder(name, _by_key(name, store))
    step = collected(recipes.load(name))
    if step is None:
        raise UsageError(f"{name} learns from no data", hint="name a recipe with data")
    if not store.has(step):
        raise StoreError(
            f"the data of {name} is not collected in {store.root}", hint=command("run", name)
        )
    return _folder(name, store.folder(step))


def _by_key(prefix: str, store: Store) -> Path:
    folders = [file.parent for file in sorted(store.root.glob(f"data/??/{prefix}*/{MANIFEST}"))]
    if len(folders) != 1:
        many = "several artifacts" if folders else "no artifact"
        raise StoreError(
            f"{many} of collected data begin with {prefix} in {store.root}",
            hint="`harness plan` shows the keys",
        )
    return folders[0]


def _folder(name: str, folder: Path) -> SetVersion:
    """Return what a folder holds: what an index there lists, or else its pictures."""
    if not (folder / INDEX).is_file():
        spec = Folder(use="folder", path=str(folder), recursive=True)
        rows = {each.id: _raw(folder, each) for each in plugins.implementation(spec)(spec)}
        return SetVersion(name, len(rows), rows=rows, sources=(origin(spec),))
    manifest = _document(folder / MANIFEST)
    sources = _document(folder / "report.json").get("sources", [])
    rows = dict(_listed(folder, manifest.get("files", {})))
    return SetVersion(name, len(rows), rows=rows, sources=tuple(sources), key=manifest.get("key"))


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise StoreError("is no JSON", where=str(file), hint="make the set again") from error
    return document if isinstance(document, dict) else {}


def _listed(folder: Path, digests: dict[str, str]) -> Iterator[tuple[str, Row]]:
    """Yield the rows of an index by id; an id that comes again, as of a booster, is numbered."""
    seen: dict[str, int] = {}
    for entry in read_index(folder):
        if entry.file:
            seen[entry.id] = seen.get(entry.id, 0) + 1
            again = f"#{seen[entry.id]}" if seen[entry.id] > 1 else ""
            file = folder / entry.file
            content = digests.get(entry.file) or digest_input(file)
            yield f"{entry.id}{again}", Row(file, content, _words(entry), _facts(entry))


def _raw(folder: Path, picture: Picture) -> Row:
    file = folder / picture.id
    return Row(file, digest_input(file), _words(picture), _facts(picture))


def _words(row: Entry | Picture) -> tuple[Any, ...]:
    captions = tuple(row.captions) if len(row.captions) > 1 else ()
    return row.text, tuple(row.tags), captions


def _facts(row: Entry | Picture) -> tuple[Any, ...]:
    """Return a row's weight and facts as an index holds them, without those that are words."""
    facts = json.loads(json.dumps(row.facts or {}, default=str))
    return row.weight, {name: facts[name] for name in sorted(facts) if name not in _SAID}


def _changes(one: Row, other: Row) -> tuple[str, ...]:
    changed = tuple(
        what for what in ("words", "facts") if getattr(one, what) != getattr(other, what)
    )
    if one.content != other.content and _shown(one.file) != _shown(other.file):
        return ("picture", *changed)
    return changed


def _shown(file: Path) -> str:
    """Return what a picture shows, in whatever file it is: other bytes are no other picture."""
    try:
        return pixels_of(decode(file.read_bytes(), file.name, Reading())[0])
    except Unfit as error:
        return str(error)


def told(difference: Difference) -> str:
    """Return a difference as a person reads it."""
    lines = [
        line
        for side, each in (("a", difference.a), ("b", difference.b))
        for line in _about(side, each)
    ]
    changed = [f"{name} ({' and '.join(what)})" for name, what in difference.changed.items()]
    kinds = [("pictures", "picture"), ("words", "words"), ("facts", "facts")]
    counts = ", ".join(
        f"{many:,} {name}" for name, what in kinds if (many := difference.count(what))
    )
    lines.append(f"{difference.same:,} rows are the same")
    lines.append(_line("added", difference.added))
    lines.append(_line("removed", difference.removed))
    lines.append(_line(f"changed: {counts}" if counts else "changed", changed))
    return "\n".join(lines)


def _about(side: str, version: SetVersion) -> Iterator[str]:
    key = f", artifact {version.key[:12]}" if version.key else ""
    yield f"{side}  {version.name}: {version.count:,} {version.unit}{key}"
    for source in version.sources:
        if "name" not in source:
            content = source["fingerprint"][:12]
            yield f"   {source['use']}, {source['kept']:,} rows, content {content}"
            continue
        revision = f", revision {source['revision']}" if "revision" in source else ""
        licence = source.get("licence", "not known")
        yield (
            f"   {source['use']} {source['name']} @ {source['version']}{revision}, "
            f"licence {licence}"
        )


def _line(what: str, names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - FIRST:,} more" if len(names) > FIRST else ""
    listed = f": {', '.join(names[:FIRST])}{more}" if names else ""
    return f"{len(names):,} {what}{listed}"

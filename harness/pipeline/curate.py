"""From a page to a curated, captioned, bucketed set on disk, and what was dropped on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.files import whole_folder, write_json, write_text
from harness.fingerprint import digest
from harness.keys import described
from harness.pages.curation import Curation, is_curation
from harness.pages.folders import find
from harness.pages.recipe import Recipe
from harness.pages.yaml import load_page, read_page

if TYPE_CHECKING:
    from PIL import Image

    from harness.data.curation.engine import Limits
    from harness.data.curation.exports import Form
    from harness.interfaces import SourceSpec

VERSION = 1
"""Raised whenever the same page would give another set; part of every fingerprint."""
KIND = "harness curated set"
REPORT, PAGE = "report.json", "report.html"
PARTS: dict[str | None, tuple[str, ...]] = {
    None: (),
    "folder": ("images", "captions"),
    "webdataset": ("shards",),
    "parquet": ("pictures.parquet",),
}
"""What each form of export is written to."""
SHEET, NEAR = 24, 1000
"""Pictures of the sample sheet, taken from so many first rows."""


@dataclass(frozen=True)
class CurationRequest:
    """Which page to curate, where to, and in which form."""

    config: str
    out: Path | None = None
    form: Form | None = None
    again: bool = False


@dataclass(frozen=True)
class Curated:
    """A curated set on disk."""

    folder: Path
    document: dict[str, Any]
    """What report.json says."""
    reused: bool
    chosen: str
    """Which part of the page was taken, in words."""
    sheet: tuple[tuple[str, Image.Image], ...] = field(default=(), repr=False)
    """Some of the pictures with their prompts, where pictures are at hand and the set is new."""


Draw = Callable[[Curated], str]
"""A curated set → its page."""
OnProgress = Callable[[int, int], None]
"""Told how many rows were judged, and how many of them are kept."""


def load(config: str) -> tuple[Curation, str]:
    """Return the page `config`, a recipe's name or a file, and what of it was taken."""
    file = find("recipe", config)
    if is_curation(set(read_page(file).data)):
        return load_page(Curation, file), f"the page {file.name}"
    recipe = load_page(Recipe, file)
    if recipe.data is None:
        raise UsageError(f"the recipe {recipe.name} has no data", hint="name a page with data:")
    train = recipe.train
    more = [each for each in train.phases if each.curate or each.source] if train else []
    but = f"; what {len(more)} of its phases choose for themselves is not" if more else ""
    size = {} if train is None else {"resolution": train.resolution, "buckets": train.buckets}
    page = Curation(name=recipe.name, summary=recipe.summary, data=recipe.data, **size)  # type: ignore[arg-type]
    return page, f"the data section of the recipe {recipe.name}{but}"


def curate(
    request: CurationRequest,
    draw: Draw,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
) -> Curated:
    """Make the set, or return the one that is there and was made from the same."""
    page, chosen = load(request.config)
    folder = request.out or Path(".harness/curated") / page.name
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{folder} is where you are, and a set is a folder of its own",
            hint="name one below it, as --out set",
        )
    fingerprint = fingerprint_of(page, request.form)
    report = _report_in(folder)
    complete = all((folder / name).exists() for name in _parts(request.form))
    if report and complete and report["fingerprint"] == fingerprint and not request.again:
        return Curated(folder, report, True, chosen)
    _require_ours(folder)
    with whole_folder(folder) as part:
        work = _work_for(page, request.form, part)
        document = {
            "kind": KIND,
            "schema_version": 1,
            "name": page.name,
            "summary": page.summary,
            "fingerprint": fingerprint,
            **_make(work, limits, on_progress),
        }
        made = Curated(part, document, False, chosen, _sheet(work))
        write_text(part / PAGE, draw(made))
        write_json(part / REPORT, document)
    return replace(made, folder=folder)


def fingerprint_of(page: Curation, form: str | None) -> str:
    """Return what a set is known by: the content of its sources and every rule."""
    words = {**described(page), "summary": "", "name": ""}
    return digest([VERSION, words, form])


def _report_in(folder: Path) -> dict[str, Any] | None:
    """Return the report of a set that is there; refuse a folder that holds something else."""
    import json

    if not folder.exists():
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        report: dict[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        if report["kind"] == KIND:
            return report
    if folder.is_dir() and not any(folder.iterdir()):
        return None
    raise UsageError(
        f"{folder} is no curated set and would be overwritten",
        hint="give another --out, or remove it",
    )


def _parts(form: str | None) -> tuple[str, ...]:
    """Return what a set of this form holds beside its report and page."""
    from harness.data.curation.curated_set import ROWS

    return (ROWS, *PARTS[form])


def _require_ours(folder: Path) -> None:
    """Refuse a folder with something that we did not write and would remove."""
    ours = {REPORT, PAGE, *chain(*(_parts(form) for form in PARTS))}
    there = folder.iterdir() if folder.is_dir() else ()
    foreign = sorted(each.name for each in there if each.name not in ours)
    if foreign:
        raise UsageError(
            f"{folder} also holds {foreign[0]}, which would be lost",
            hint="move it elsewhere, or give another --out",
        )


@dataclass(frozen=True)
class _Work:
    """One set being made: from which page, and in which folder."""

    page: Curation
    form: Form | None
    folder: Path
    sources: list[SourceSpec]
    has_pictures: bool


def _work_for(page: Curation, form: Form | None, folder: Path) -> _Work:
    """Return what is to be made; refuse a form of pictures where there are none."""
    from harness.data.curation import curated_set, exports

    sources = curated_set.sources_of(page.data)
    has_pictures = all(exports.at_hand(source) for source in sources)
    if form is not None and not has_pictures:
        raise UsageError(
            "there are no pictures to write, only what is known of them",
            hint="leave --to out, or name a source with pictures",
        )
    return _Work(page, form, folder, sources, has_pictures)


def _make(work: _Work, limits: Limits | None, on_progress: OnProgress | None) -> dict[str, Any]:
    """Write the rows and the pictures; return what report.json says of them."""
    from harness.data.curation import curated_set
    from harness.data.curation.engine import Limits
    from harness.data.curation.summary import summarize

    page, limits = work.page, limits or Limits(scratch=work.folder)
    written = curated_set.write(
        page.data, page.resolution, page.buckets, work.folder, limits, on_progress
    )
    kept = sum(written.kept)
    return {
        "sources": [
            {"use": source.use, "kept": count, "fingerprint": digest(source.fingerprint())}
            for source, count in zip(work.sources, written.kept, strict=True)
        ],
        "kept": kept,
        "dropped": dict(written.dropped),
        "funnel": _funnel(kept, written.dropped),
        "exported": _export(work),
        **summarize(work.folder / curated_set.ROWS, limits),
    }


def _export(work: _Work) -> dict[str, Any] | None:
    """Write the pictures of the kept rows in the form that is asked for; say what was written."""
    from harness.data.curation import curated_set, exports

    if work.form is None:
        return None
    unreadable: Counter[str] = Counter()
    rows = exports.rows_of(work.folder / curated_set.ROWS)
    pictures = exports.examples(rows, work.sources, work.page.data.reading, unreadable)
    count = exports.write(work.form, pictures, work.folder)
    return {"to": work.form, "pictures": count, "unreadable": dict(unreadable)}


def _sheet(work: _Work) -> tuple[tuple[str, Image.Image], ...]:
    """Return some of the first pictures, evenly spaced, with their prompts."""
    from harness.data.curation import curated_set, exports

    if not work.has_pictures:
        return ()
    rows = list(islice(exports.rows_of(work.folder / curated_set.ROWS), NEAR))
    spaced = rows[:: max(1, len(rows) // SHEET)][:SHEET]
    pictures = exports.examples(spaced, work.sources, work.page.data.reading, Counter())
    return tuple((each.row["prompt"], each.image) for each in pictures)


def _funnel(kept: int, dropped: Counter[str]) -> list[dict[str, Any]]:
    """Return how many rows are left after each rule, in the order in which they are asked."""
    from harness.data.curation.rules import NAMES

    left = kept + dropped.total()
    steps = [{"rule": "all rows", "left": left, "dropped": 0}]
    for name in sorted(dropped, key=NAMES.index):
        left -= dropped[name]
        steps.append({"rule": name, "left": left, "dropped": dropped[name]})
    return steps

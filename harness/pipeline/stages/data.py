"""Collect: a source's rows, curated, as pictures on disk with their words beside them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

from harness.data.curation.by_row import select
from harness.data.picture_counts import PictureCounts
from harness.data.sources.provenance import origin, sources_in
from harness.errors import UsageError
from harness.interfaces import Picture, Progress, StageContext
from harness.pages.stages import DataSpec
from harness.pipeline.stages.files import Entry, write_index
from harness.pipeline.stages.reading import read_all

log = logging.getLogger(__name__)


def collect(spec: DataSpec, context: StageContext) -> None:
    """Write `images/`, the index with the facts of each picture, and a report of all rows."""
    dropped: Counter[str] = Counter()
    counts, entries = PictureCounts(spec.reading), []
    pictures = select(spec, dropped)
    for picture, file, seen in read_all(pictures, spec, context.folder, counts):
        entries.append(
            _entry(picture, file)
            if not seen.dropped
            else Entry(picture.id, 0, picture.text, None, reason=seen.reason)
        )
        context.report(Progress(len(entries), 0, "collecting"))
    kept = sum(entry.file is not None for entry in entries)
    by_kind = counts.document()
    if counts.dropped():
        log.warning(
            "left out: %s", "; ".join(_summary(*each) for each in by_kind["dropped"].items())
        )
    dropped.update(counts.dropped())
    if not kept:
        raise UsageError(
            f"no picture is left of {sum(dropped.values())}: {dict(dropped)}",
            hint="loosen data.curate, or check data.source, data.part and data.reading",
        )
    write_index(context.folder, entries)
    _write_report(
        spec, context, {"kept": kept, "dropped": dict(sorted(dropped.items())), "pictures": by_kind}
    )


def _write_report(spec: DataSpec, context: StageContext, report: dict[str, Any]) -> None:
    """Write the counts of all rows and their origins; the origins go into the provenance too."""
    origins = [origin(source) for source in sources_in(spec)]
    context.notes["sources"] = origins
    text = json.dumps({**report, "sources": origins}, indent=1, ensure_ascii=False)
    (context.folder / "report.json").write_text(text + "\n", encoding="utf-8")


def _summary(kind: str, facts: dict[str, Any]) -> str:
    names, more = ", ".join(facts["first"]), facts["count"] - len(facts["first"])
    return f"{facts['count']} {kind} ({names}{f' and {more} more' if more else ''})"


def _entry(picture: Picture, file: str) -> Entry:
    several = picture.captions if len(picture.captions) > 1 else ()
    return Entry(
        picture.id,
        0,
        picture.text,
        file,
        tags=picture.tags,
        facts=dict(picture.facts or {}),
        captions=several,
        weight=picture.weight,
    )

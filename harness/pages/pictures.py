"""The benchmark that two folders amount to: real pictures, and no prompts.

Generated pictures and real ones are cut to the same square by the same rule before any network
sees them, so that no metric answers to how large a generator draws.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.errors import UsageError
from harness.escaping import as_name, printable
from harness.files import write_text

SIDE = 256
"""Pixels a side at most."""
ENOUGH, SMALL = 160, 96
"""Pixels a side at which the networks that ship look: by `docs/explanation/validity.md` more than
the first tells hardly more, and pictures that are smaller hold no more than the second shows."""
_ABOVE = """\
# Pictures of any generator, beside real ones; no prompts are known, so none are judged.
#   harness score --images DIR --benchmark {file}
# Paths that do not begin with / begin where the command runs.
"""


def picture_page(
    reference: Path, originals: Path | None, side: int, name: str | None = None
) -> dict[str, Any]:
    """Return the page of the benchmark whose real pictures lie in `reference`, as plain data.

    They are seen at `side` pixels or less. `originals` holds pictures that were trained on, among
    which metrics look for copies.
    """
    shown = reference.resolve().name or "real pictures"
    page: dict[str, Any] = {
        "schema_version": 1,
        "name": name or f"against-{as_name(shown)}",
        "summary": f"Pictures of any generator, beside those in {printable(shown)[:200]}.",
        "reference": _pictures(reference, side),
    }
    if originals is not None:
        page["originals"] = _pictures(originals, side)
    seen = ENOUGH if page["reference"]["resolution"] >= ENOUGH else SMALL
    page["metrics"] = list(_metrics(seen, originals is not None))
    return page


def _metrics(seen: int, copying: bool) -> Iterator[dict[str, Any]]:
    """Yield what can be said of pictures whose prompts are not known, by networks that ship."""
    content, hand = ({"use": use, "side": seen} for use in ("lite0", "lite0-style"))
    for use in ("kid", "fid", "precision", "recall"):
        yield {"use": use, "features": content}
    yield {"use": "style", "features": hand}
    yield {"use": "vendi", "features": content}
    yield {"use": "artefacts"}
    yield {"use": "broken", "features": content}
    if copying:
        yield {"use": "memorization", "features": content}
        yield {"use": "authenticity", "features": content}


def _pictures(folder: Path, side: int) -> dict[str, Any]:
    source = {"use": "folder", "path": str(folder), "recursive": True}
    return {"source": source, "resolution": max(32, min(SIDE, side) // 8 * 8)}


def write_page(page: Mapping[str, Any], file: Path) -> None:
    """Write a benchmark's page; refuse to write over another file."""
    stream, yaml = io.StringIO(), YAML()
    yaml.default_flow_style, yaml.width = False, 100
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(dict(page), stream)
    text = _ABOVE.format(file=printable(str(file))) + stream.getvalue()
    if file.exists() and file.read_bytes() != text.encode():
        raise UsageError(f"{file} is there already", hint="name another file, or remove it")
    write_text(file, text)

"""A folder of images with captions beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from harness.data.specs import IMAGES, Folder
from harness.errors import UsageError
from harness.interfaces import Picture


def folder(spec: Folder) -> Iterator[Picture]:
    """Yield the images of the folder by name; a caption is `name.txt` or a metadata line."""
    root = Path(spec.path)
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", hint="correct data.source.path")
    metadata = _metadata(root / "metadata.jsonl")
    files = sorted(file for file in root.iterdir() if file.suffix.lower() in IMAGES)
    if not files:
        raise UsageError(f"{root} holds no images", hint=f"looked for {', '.join(sorted(IMAGES))}")
    for file in files:
        facts = metadata.get(file.name, {})
        beside = file.with_suffix(".txt")
        captions = _captions(facts, _read(beside) if beside.exists() else "")
        text = captions[0]
        tags = facts.get("tags") or text
        if isinstance(tags, str):
            tags = [part.strip() for part in tags.split(",") if part.strip()]
        yield Picture(
            id=file.name,
            open=lambda file=file: Image.open(file),  # type: ignore[misc]
            text=text,
            tags=tuple(str(tag) for tag in tags),
            facts=facts,
            captions=captions,
            weight=_weight(facts, root / "metadata.jsonl"),
        )


def _captions(facts: dict[str, Any], beside: str) -> tuple[str, ...]:
    """Return every caption: `text` of the metadata, one or a list, or the lines of a text file."""
    written = facts.get("text")
    if isinstance(written, list) and written:
        return tuple(str(each) for each in written)
    lines = [line.strip() for line in (str(written) if written else beside).splitlines()]
    return tuple(line for line in lines if line) or ("",)


def _weight(facts: dict[str, Any], file: Path) -> float:
    try:
        weight = float(facts.get("weight", 1.0))
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"{facts.get('file_name')}: weight is no number of 0 or more",
                         where=str(file))  # fmt: skip
    return weight


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", where=str(file), hint="save it as UTF-8") from None


def _metadata(file: Path) -> dict[str, dict[str, Any]]:
    if not file.exists():
        return {}
    found = {}
    for number, line in enumerate(_read(file).splitlines(), 1):
        try:
            facts = json.loads(line)
            found[str(facts["file_name"])] = facts
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                "is not a JSON object with file_name", where=f"{file}:{number}"
            ) from error
    return found

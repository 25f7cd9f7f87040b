"""A folder of images with captions beside them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.opening import image_in
from harness.data.sources.cells import weight_of
from harness.data.sources.file_patterns import IMAGES, read_unchanged
from harness.data.sources.folder_metadata import metadata_of, read_text
from harness.data.specs import Folder
from harness.data.tags import tags_of
from harness.errors import UsageError
from harness.fingerprint import digest_input
from harness.interfaces import Picture


def folder(spec: Folder) -> Iterator[Picture]:
    """Yield the images of the folder by name; a caption is `name.txt` or a metadata line."""
    root = Path(spec.path)
    if not root.is_dir():
        hint = "correct source.path, which begins where the command runs, or run it elsewhere"
        raise UsageError(f"there is no folder {root}", hint=hint)
    files = spec.files()
    images = [
        (name, file, digest_input(file)) for name, file in files if file.suffix.lower() in IMAGES
    ]
    if not images:
        raise UsageError(f"{root} holds no images", hint=f"looked for {', '.join(sorted(IMAGES))}")
    known = _known(root, {file.parent for _, file in files})
    texts = {file for _, file in files if file.suffix == ".txt"}
    for name, file, digest in images:
        beside = file.with_suffix(".txt")
        said = read_text(beside) if beside in texts else ""
        yield _picture(name, file, digest, known.get(name, {}), said)


def _known(root: Path, folders: set[Path]) -> dict[str, dict[str, Any]]:
    """Return what the metadata of every folder says, by paths from the root; deeper ones win."""
    known: dict[str, dict[str, Any]] = {}
    for folder in sorted(folders | {root}, key=lambda each: (len(each.parts), each)):
        for name, facts in metadata_of(folder).items():
            known[(folder / name).relative_to(root).as_posix()] = facts
    return known


def _picture(name: str, file: Path, digest: str, facts: dict[str, Any], beside: str) -> Picture:
    captions = _captions(facts, beside)
    tags = facts.get("tags") or captions[0]
    if isinstance(tags, str):
        tags = [part.strip() for part in tags.split(",")]
    return Picture(
        id=name,
        open=partial(image_in, file),
        text=captions[0],
        tags=tuple(tags_of(tags)),
        facts=facts,
        captions=captions,
        weight=weight_of(facts.get("weight", 1.0), name, str(file.parent)),
        read=partial(read_unchanged, file, digest),
        name=file.name,
    )


def _captions(facts: dict[str, Any], beside: str) -> tuple[str, ...]:
    """Return every caption: `text` of the metadata, one or a list, or the lines of a text file."""
    written = facts.get("text")
    if isinstance(written, list) and written:
        return tuple(str(each) for each in written)
    lines = [line.strip() for line in (str(written) if written else beside).splitlines()]
    return tuple(line for line in lines if line) or ("",)

"""The words that name our data sources on a page. Imports no network library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.fingerprint import digest, digest_input
from harness.interfaces import SourceSpec
from harness.pocket import world

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


class Pocket(SourceSpec):
    """A stretch of a drawn set."""

    implementation: ClassVar[str] = "harness.data.sources.pocket:pocket"
    summary: ClassVar[str] = "faces or ninjas of the pocket world, drawn on the spot"
    use: Literal["pocket"]
    set: Literal["faces", "ninja"]
    first: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)]

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "world": world.VERSION}

    def size(self) -> int:
        return self.count

    def ids(self) -> Iterator[str]:
        return (world.id_of(self.set, self.first + at) for at in range(self.count))


class Folder(SourceSpec):
    """Images in a folder, each with a `.txt` of the same name or a line in `metadata.jsonl`."""

    implementation: ClassVar[str] = "harness.data.sources.folder:folder"
    summary: ClassVar[str] = "images in a folder with .txt captions or metadata.jsonl"
    use: Literal["folder"]
    path: str

    def fingerprint(self) -> dict[str, Any]:
        root = Path(self.path)
        wanted = IMAGES | {".txt", ".jsonl"}
        there = root.iterdir() if root.is_dir() else ()
        files = sorted(file for file in there if file.suffix.lower() in wanted)
        content = digest([[file.name, digest_input(file)] for file in files])
        return {"use": self.use, "version": self.version, "content": content}

    def size(self) -> int | None:
        return sum(1 for _ in self.ids()) if Path(self.path).is_dir() else None

    def ids(self) -> Iterator[str]:
        files = Path(self.path).iterdir()
        return (file.name for file in files if file.suffix.lower() in IMAGES)


class Hub(SourceSpec):
    """A data set of the Hugging Face hub, at a fixed revision."""

    implementation: ClassVar[str] = "harness.data.sources.hub:hub"
    summary: ClassVar[str] = "a Hugging Face data set, by id and revision"
    use: Literal["hub"]
    id: str
    revision: str | None = None
    split: str = "train"
    image: str = "image"
    text: str | None = None
    tags: str | None = None
    facts: dict[str, str] = {}
    """Which column holds which fact, as `rating: rating`."""
    weight: str | None = None
    """The column with how much each row's loss counts."""
    limit: Annotated[int, Field(ge=1)] | None = None

    def size(self) -> int | None:
        return self.limit

    def ids(self) -> Iterator[str]:
        """Yield the ids of the rows up to `limit`; the set may end sooner."""
        return (id_of(row) for row in range(self.limit or 0))


def id_of(row: int) -> str:
    """Return the id of a row of a hub's set."""
    return f"{row:08d}"

"""The words that name our data sources on a page. Imports no network library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.data.sources import tar_shards
from harness.data.sources.file_patterns import IMAGES, content_of, files_of
from harness.data.sources.rows import id_of, require_utf8
from harness.fingerprint import digest, digest_input
from harness.interfaces import SourceSpec
from harness.pocket import sets

METADATA = ("metadata.jsonl", "metadata.csv")
"""Files with a line a picture, by `file_name`, as imagefolder has them."""
CARD = "README.md"


class Pocket(SourceSpec):
    """A stretch of a drawn set."""

    implementation: ClassVar[str] = "harness.data.sources.pocket:pocket"
    summary: ClassVar[str] = "faces or ninjas of the pocket world, drawn on the spot"
    use: Literal["pocket"]
    set: Literal["faces", "ninja"]
    """Which drawn set."""
    first: Annotated[int, Field(ge=0)] = 0
    """The number of the first picture."""
    count: Annotated[int, Field(ge=1)]
    """How many pictures."""

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "world": sets.VERSION}

    def size(self) -> int:
        return self.count

    def ids(self) -> Iterator[str]:
        return (sets.id_of(self.set, self.first + at) for at in range(self.count))


class Folder(SourceSpec):
    """Images in a folder, with captions in a `.txt` beside each, `metadata.jsonl` or `.csv`."""

    implementation: ClassVar[str] = "harness.data.sources.folder:folder"
    summary: ClassVar[str] = "images in a folder with .txt captions, metadata.jsonl or metadata.csv"
    version: ClassVar[int] = 2
    use: Literal["folder"]
    path: str
    """The folder, relative to where the command runs."""
    recursive: bool = False
    """Whether to read folders inside it too; an id is then a path, as `ink/001.png`."""

    def fingerprint(self) -> dict[str, Any]:
        wanted = IMAGES | {".txt", ".jsonl"}
        content = digest(
            [
                [name, digest_input(file)]
                for name, file in self.files()
                if file.suffix.lower() in wanted or file.name in METADATA
            ]
        )
        return {"use": self.use, "version": self.version, "content": content}

    def size(self) -> int | None:
        return sum(1 for _ in self.ids()) if Path(self.path).is_dir() else None

    def ids(self) -> Iterator[str]:
        return (name for name, file in self.files() if file.suffix.lower() in IMAGES)

    def files(self) -> list[tuple[str, Path]]:
        """Return every file with its path from here, by that path.

        Hidden ones are left out, and so is what is no file, as a pipe or a link to nowhere.
        """
        files = []
        for folder, below, names in os.walk(self.path):
            below[:] = [name for name in below if self.recursive and not name.startswith(".")]
            files += [Path(folder, name) for name in names if not name.startswith(".")]
        return sorted(
            (require_utf8(file.relative_to(self.path).as_posix(), self.path), file)
            for file in files
            if file.is_file()
        )

    def card(self) -> Path | None:
        return Path(self.path, CARD)


class Columns(SourceSpec):
    """Rows with a column of pictures, and others with what is known of them."""

    version: ClassVar[int] = 2
    image: str = "image"
    """The column with the pictures."""
    text: str | None = None
    """The column with the captions; none if left out."""
    tags: str | None = None
    """The column with the tags; none if left out."""
    facts: dict[str, str] = {}
    """The column of each fact, as `rating: rating`."""
    weight: str | None = None
    """The column with how much each row's loss counts."""

    def words(self) -> list[str]:
        """Return the columns that hold no pictures, each once."""
        named = [self.text, self.tags, self.weight, *self.facts.values()]
        return list(dict.fromkeys(name for name in named if name))


class Hub(Columns):
    """A data set of the Hugging Face hub, at a fixed revision, or a folder of its form here."""

    implementation: ClassVar[str] = "harness.data.sources.hub:hub"
    table: ClassVar[str | None] = "harness.data.sources.hub:table"
    summary: ClassVar[str] = "a Hugging Face data set, by id and revision"
    use: Literal["hub"]
    id: str
    """The set's id on the hub, as `owner/name`, or a folder."""
    revision: str | None = None
    """A commit, branch or tag; if left out, the main branch, which may change."""
    split: str = "train"
    """The split of the set, as its card names it."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Take only the first rows; all if left out."""
    streaming: bool | None = None
    """Read rows without keeping a copy of the set; if left out, true if `limit` is set."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """About how many rows the set has, by its card; only forecasts use this."""

    @property
    def streams(self) -> bool:
        return self.limit is not None if self.streaming is None else self.streaming

    def fingerprint(self) -> dict[str, Any]:
        """Return the id and revision; of a folder here, which has no revision, the content."""
        facts = super().fingerprint()
        del facts["rows"]
        if Path(self.id).is_dir():
            files = [file for _, file in Folder(use="folder", path=self.id, recursive=True).files()]
            del facts["id"]  # a place on this machine
            facts["content"] = content_of(files)
        return facts

    def size(self) -> int | None:
        return self.limit

    def ids(self) -> Iterator[str]:
        """Yield the ids of the rows up to `limit`; the set may end sooner."""
        return (id_of(row) for row in range(self.limit or 0))

    def card(self) -> Path | None:
        """Return the set's card, where it lies in a folder or in the hub's cache."""
        if Path(self.id).is_dir():
            return Path(self.id, CARD)
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            cached = try_to_load_from_cache(
                self.id, CARD, revision=self.revision, repo_type="dataset"
            )
        except HFValidationError:
            return None
        return Path(cached) if isinstance(cached, str) else None


class Parquet(Columns):
    """Parquet files, read row group by row group."""

    implementation: ClassVar[str] = "harness.data.sources.parquet:parquet"
    table: ClassVar[str | None] = "harness.data.sources.parquet:table"
    summary: ClassVar[str] = "Parquet files with pictures, or paths to them, in a column"
    version: ClassVar[int] = 1
    use: Literal["parquet"]
    files: str
    """A file, or a pattern with `*`, `{a,b}` or `{000..012}`."""
    id: str | None = None
    """The column with each row's id; without it rows are numbered."""

    def fingerprint(self) -> dict[str, Any]:
        from harness.data.sources.parquet_files import pointed_at

        facts = {name: part for name, part in super().fingerprint().items() if name != "files"}
        files = files_of(self.files)
        return {**facts, "content": content_of([*files, *pointed_at(files, self.image)])}

    def size(self) -> int | None:
        from harness.data.sources.parquet_files import count

        files = files_of(self.files)
        return count(files) if files else None

    def ids(self) -> Iterator[str]:
        from harness.data.sources.parquet_files import ids

        return ids(files_of(self.files), self.id)

    def card(self) -> Path | None:
        return next((file.parent / CARD for file in files_of(self.files)), None)


class Webdataset(SourceSpec):
    """Tar shards whose members belong together by name: `0001.jpg`, `0001.txt`, `0001.json`."""

    implementation: ClassVar[str] = "harness.data.sources.webdataset:webdataset"
    summary: ClassVar[str] = "tar shards of pictures with .txt, .json or .cls members"
    use: Literal["webdataset"]
    files: str
    """A shard, or a pattern with `*`, `{a,b}` or `{000..012}`."""

    def fingerprint(self) -> dict[str, Any]:
        content = content_of(files_of(self.files))
        return {"use": self.use, "version": self.version, "content": content}

    def size(self) -> int | None:
        return sum(1 for _ in self.ids()) if files_of(self.files) else None

    def ids(self) -> Iterator[str]:
        return tar_shards.ids(files_of(self.files))

    def card(self) -> Path | None:
        return next((file.parent / CARD for file in files_of(self.files)), None)

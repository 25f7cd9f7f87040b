"""The pictures of a curated set, and the forms in which others read them."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from harness import plugins
from harness.data.decoding import Unfit, read
from harness.data.sources.file_patterns import required
from harness.data.specs import Parquet
from harness.errors import UsageError
from harness.interfaces import Picture, SourceSpec
from harness.pages.decoding import Reading

Form = Literal["folder", "webdataset", "parquet"]
SHARD = 1000
"""Pictures of a tar shard, and of a row group."""


@dataclass(frozen=True)
class Example:
    """One kept row with its picture, upright and in RGB."""

    row: dict[str, Any]
    image: Image.Image


def examples(
    rows: Iterable[dict[str, Any]],
    sources: list[SourceSpec],
    rules: Reading,
    dropped: Counter[str],
) -> Iterator[Example]:
    """Yield the rows, which stand in the order of the sources, with their pictures.

    `dropped` counts those that cannot be read, by kind. Duplicates are told by the rules of
    curation here, not by those of reading, which compare pictures.
    """
    reading: tuple[int, Iterator[tuple[int, Picture]]] = (-1, iter(()))
    for row in rows:
        if reading[0] != row["source"]:
            source = sources[row["source"]]
            reading = row["source"], enumerate(plugins.implementation(source)(source))
        picture = next((each for at, each in reading[1] if at == row["row"]), None)
        if picture is None:
            raise UsageError(f"the row {row['id']} is gone", hint="run it with --again")
        try:
            image, _ = read(picture, rules)
        except Unfit as unfit:
            dropped[unfit.kind] += 1
            continue
        yield Example(row, image)


def write(form: Form, pictures: Iterable[Example], folder: Path) -> int:
    """Write the pictures with their prompts; return how many."""
    return {"folder": _folder, "webdataset": _shards, "parquet": _parquet}[form](pictures, folder)


def _folder(pictures: Iterable[Example], folder: Path) -> int:
    """Write `images/00000000.png` and `captions/00000000.txt`."""
    for name in ("images", "captions"):
        (folder / name).mkdir()
    count = 0
    for count, each in enumerate(pictures, 1):
        each.image.save(folder / f"images/{count - 1:08d}.png")
        caption = folder / f"captions/{count - 1:08d}.txt"
        caption.write_text(each.row["prompt"], encoding="utf-8")
    return count


def _shards(pictures: Iterable[Example], folder: Path) -> int:
    """Write `shards/000000.tar`, whose members are `00000000.png`, `.txt` and `.json`."""
    (folder / "shards").mkdir()
    count, shard = 0, None
    try:
        for count, each in enumerate(pictures, 1):
            if (count - 1) % SHARD == 0:
                if shard is not None:
                    shard.close()
                name = folder / f"shards/{(count - 1) // SHARD:06d}.tar"
                shard = tarfile.open(name, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            assert shard is not None
            for ending, content in (
                ("png", png(each.image)),
                ("txt", each.row["prompt"].encode()),
                ("json", json.dumps(_plain(each.row), ensure_ascii=False).encode()),
            ):
                member = tarfile.TarInfo(f"{count - 1:08d}.{ending}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    finally:
        if shard is not None:
            shard.close()
    return count


def _parquet(pictures: Iterable[Example], folder: Path) -> int:
    """Write `pictures.parquet`: the rows, and an `image` column as data sets of the hub have it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    kept = pq.read_schema(folder / "curated.parquet")
    schema = pa.schema([*kept, pa.field("image", picture)])
    count, waiting = 0, []
    with pq.ParquetWriter(folder / "pictures.parquet", schema) as writer:
        for count, each in enumerate(pictures, 1):
            image = {"bytes": png(each.image), "path": f"{count - 1:08d}.png"}
            waiting.append({**each.row, "image": image})
            if len(waiting) == SHARD:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
    return count


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can say it: what is no finite number is unknown."""
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.loads(json.dumps(plain, default=str))  # type: ignore[no-any-return]


def at_hand(source: SourceSpec) -> bool:
    """Return whether a source has pictures, and not only what is known of them."""
    import pyarrow.parquet as pq

    if not isinstance(source, Parquet):
        return True
    files = required(source.files, "data.source.files")
    return source.image in pq.read_schema(files[0]).names


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a curated set."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(file).iter_batches(1000):
        yield from batch.to_pylist()

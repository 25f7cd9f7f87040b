"""Every parser of strangers' bytes, as one function from a file to a value or to words of ours."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pyarrow.parquet as pq

from harness.data.decoding import Unfit, decode
from harness.data.generation_metadata import read_metadata
from harness.data.supplied import read_supplied
from harness.decisions import noise
from harness.diffusion.adapter_reader import read_layers
from harness.errors import HarnessError
from harness.pages import benchmark, policy, recipe
from harness.pages.curation import Curation
from harness.pages.decoding import Reading
from harness.pages.yaml import load_page
from harness.pipeline.results import album
from harness.pipeline.results.read import read_result
from harness.pipeline.results.tables import TABLES, read_card, read_table
from strangers.adapters import odd_adapters
from strangers.albums import odd_albums
from strangers.lists import odd_lists
from strangers.pages import odd_pages
from strangers.pictures import odd_pictures
from strangers.results import hostile_documents, hostile_tables

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "reports" / "pocket-v1" / "pocket-ninja.json"


@dataclass(frozen=True)
class Parser:
    """What reads one kind of file: the file's name, the function, and examples to start from."""

    file: str
    read: Callable[[Path], object]
    examples: Callable[[], Iterator[tuple[str, bytes]]]

    def holds(self, folder: Path, data: bytes) -> bool:
        """Return whether it gives a value; words of ours are no value, and no error either."""
        file = folder / self.file
        file.write_bytes(data)
        try:
            self.read(file)
        except (HarnessError, Unfit):
            return False
        return True


def _table(kind: str) -> Callable[[], Iterator[tuple[str, bytes]]]:
    def examples() -> Iterator[tuple[str, bytes]]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "odd.parquet")
            for name, own, write in hostile_tables(GOOD, with_heavy=False):
                if own == kind:
                    write(file)
                    yield name, file.read_bytes()
            pq.write_table(pq.read_table(GOOD.with_name(f"{GOOD.stem}.{kind}.parquet")), file)
            yield "whole", file.read_bytes()

    return examples


_pictures = partial(odd_pictures, with_heavy=False)
_albums = partial(odd_albums, with_heavy=False)


def _documents() -> Iterator[tuple[str, bytes]]:
    return hostile_documents(json.loads(GOOD.read_text()))


@cache
def _judgement() -> benchmark.Judgement:
    return benchmark.load("pocket-v1")


def _list(file: Path) -> object:
    images = file.parent / "images"
    images.mkdir(exist_ok=True)
    (images / "a.png").write_bytes(b"a")
    return read_supplied(images, file, _judgement())


def _album(file: Path) -> object:
    name = album.first(file)
    return album.read(file), album.picture(file, name or "0" * 32 + ".webp")


def _any_page(file: Path) -> object:
    for load in (recipe.load, benchmark.load, policy.load):
        with suppress(HarnessError):
            return load(file)
    return load_page(Curation, file)


def _noise(file: Path) -> object:
    return noise.read(file.with_name("odd.json"))


PARSERS: Mapping[str, Parser] = {
    "picture": Parser("odd.png", lambda f: decode(f.read_bytes(), f.name, Reading()), _pictures),
    "metadata": Parser("odd.png", read_metadata, _pictures),
    "csv": Parser("odd.csv", _list, odd_lists),
    "jsonl": Parser("odd.jsonl", _list, odd_lists),
    "txt": Parser("odd.txt", _list, odd_lists),
    "album": Parser("odd.album.zip", _album, _albums),
    "adapter": Parser("odd.safetensors", read_layers, partial(odd_adapters, with_heavy=False)),
    "result": Parser("odd.json", read_result, _documents),
    "noise": Parser("odd.noise.json", _noise, _documents),
    "page": Parser("odd.yaml", _any_page, partial(odd_pages, with_heavy=False)),
    "card": Parser("odd.sanity.parquet", read_card, _table("sanity")),
    **{
        kind: Parser(f"odd.{kind}.parquet", lambda f, kind=kind: read_table(f, kind), _table(kind))  # type: ignore[misc]
        for kind in TABLES
    },
}

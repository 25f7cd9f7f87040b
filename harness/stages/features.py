"""Features: one look at a folder of pictures for all the extractors that ask.

Each picture is decoded once, ahead of the networks, and shown to every extractor that has not
seen its content before. A step keeps the rows of its own extractor; the others' wait on their
shelves for the steps to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from harness import plugins
from harness.errors import MissingPrerequisite
from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, Network, Progress, Workplace
from harness.records import described
from harness.stages.files import Entry, digests, open_picture, read_index
from harness.stages.rows import Kept, Shelf
from harness.steps import FeaturesSpec

TEXTS = 64
"""Prompts that are read at once."""
AHEAD = 2
"""Batches that are decoded while the networks are busy."""


@dataclass(frozen=True)
class Look:
    """One picture that is to be looked at: what it is and which prompt it answers."""

    file: Path
    content: str
    text: str


class Reader:
    """One extractor with its shelf; the network is loaded when there is something new."""

    def __init__(self, spec: ExtractorSpec, place: Workplace) -> None:
        self.spec = spec
        self.shelf = Shelf(place.rows, digest(described(spec)))
        self._device = place.device
        self._network: Network | None = None

    @property
    def network(self) -> Network:
        if self._network is None:
            self._network = plugins.implementation(self.spec)(self.spec, self._device)
        return self._network

    def content(self, look: Look) -> str:
        return digest([look.content, look.text]) if self.spec.reads_prompt else look.content

    def see(self, looks: Sequence[Look], pictures: Sequence[Image.Image]) -> None:
        """Put the rows of these pictures on the shelf."""
        rows = self.network.see(pictures, [look.text for look in looks])
        self.shelf.add(_by_content([self.content(look) for look in looks], rows))

    def read(self, looks: Sequence[Look]) -> None:
        """Put the rows of every prompt on the shelf that is not there."""
        texts = {text_content(look.text): look.text for look in looks}
        known = self.shelf.holds(texts)
        new = [text for content, text in texts.items() if content not in known]
        for at in range(0, len(new), TEXTS):
            batch = new[at : at + TEXTS]
            assert self.network.read is not None
            rows = self.network.read(batch)
            self.shelf.add(_by_content([text_content(text) for text in batch], rows))

    def gathered(self, looks: Sequence[Look]) -> dict[str, NDArray[np.float32]]:
        """Return all rows of these pictures, one array a name."""
        contents = [self.content(look) for look in looks]
        texts = [text_content(look.text) for look in looks]
        found = self.shelf.get({*contents, *texts})
        rows = [found[one] | found.get(two, {}) for one, two in zip(contents, texts, strict=True)]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def text_content(text: str) -> str:
    return f"text:{digest(text)}"


def _by_content(contents: Sequence[str], rows: Any) -> dict[str, Kept]:
    return {
        content: {name: values[at] for name, values in rows.items()}
        for at, content in enumerate(contents)
    }


def extract(spec: FeaturesSpec, place: Workplace) -> None:
    """Write `features.safetensors`: one row of every name a picture that has a file."""
    folder = place.inputs["images"]
    entries = [entry for entry in read_index(folder) if entry.file]
    looks = _looks(folder, entries)
    if not looks:
        nothing = np.zeros((0, 1), np.float32)
        save_file({"images": nothing, "texts": nothing}, place.folder / "features.safetensors")
        return
    reader = Reader(spec.extractor, place)
    beside = [Reader(each.extractor, place) for each in place.alongside]  # type: ignore[attr-defined]
    read_all(looks, [reader, *beside], place)
    save_file(reader.gathered(looks), place.folder / "features.safetensors")
    for each in (reader, *beside):
        each.shelf.close()


def _looks(folder: Path, entries: Sequence[Entry]) -> list[Look]:
    contents = digests(folder)
    return [
        Look(folder / entry.file, contents[entry.file], entry.text)
        for entry in entries
        if entry.file is not None
    ]


@torch.inference_mode()
def read_all(looks: Sequence[Look], readers: Sequence[Reader], place: Workplace) -> None:
    """Show every picture to each reader that does not know it; the first reader must succeed."""
    torch.backends.cudnn.allow_tf32 = False
    unknown = {
        reader: {reader.content(look) for look in looks}
        - reader.shelf.holds(reader.content(look) for look in looks)
        for reader in [readers[0], *filter(_loads, readers[1:])]
    }
    readers = list(unknown)
    wanted = {
        look.content + look.text: look
        for look in looks
        if any(reader.content(look) in unknown[reader] for reader in readers)
    }
    done = 0
    for batch, pictures in _decoded(list(wanted.values()), place.batch):
        for reader in readers:
            rows = _fresh(reader, batch, unknown[reader])
            if rows:
                reader.see([batch[row] for row in rows], [pictures[row] for row in rows])
        done += len(batch)
        place.report(Progress(done, len(wanted), "images"))
    for reader in readers:
        if reader.spec.reads_text:
            reader.read(looks)


def _fresh(reader: Reader, batch: Sequence[Look], unknown: set[str]) -> list[int]:
    """Return which of a batch a reader has yet to see, equal pictures once; they count as seen."""
    rows = []
    for row, look in enumerate(batch):
        content = reader.content(look)
        if content in unknown:
            unknown.remove(content)
            rows.append(row)
    return rows


def _loads(reader: Reader) -> bool:
    """Return whether a network that only rides along can be had; its own step will say why not."""
    try:
        return reader.network is not None
    except MissingPrerequisite:
        return False


def _decoded(
    looks: Sequence[Look], size: int
) -> Iterator[tuple[Sequence[Look], list[Image.Image]]]:
    """Yield the pictures in batches, decoded by another thread a little ahead."""
    batches = [looks[at : at + size] for at in range(0, len(looks), size)]
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(_opened, batch) for batch in batches[:AHEAD]]
        for number, batch in enumerate(batches):
            pictures = waiting.pop(0).result()
            if number + AHEAD < len(batches):
                waiting.append(pool.submit(_opened, batches[number + AHEAD]))
            yield batch, pictures


def _opened(looks: Sequence[Look]) -> list[Image.Image]:
    return [open_picture(look.file) for look in looks]

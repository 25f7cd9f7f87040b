"""Features: one look at a folder of pictures for all the extractors that ask.

Each picture is decoded once, ahead of the networks, and shown to every extractor that has not
seen its content before. A step keeps the rows of its own extractor; the others' wait on their
shelves for the steps to come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from harness import plugins
from harness.errors import MissingPrerequisite
from harness.files import whole
from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, Network, Progress, StageContext
from harness.pages.stages import FeaturesSpec
from harness.pipeline.stages.feature_cache import FeatureCache, Kept
from harness.pipeline.stages.files import Entry, digests, open_picture, read_index
from harness.pipeline.stages.sharing import Piece, Work, is_shared, share
from harness.records import described

PIECE = 8
"""Batches that one process looks at in one go."""
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
    """One extractor with its cache; the network is loaded when there is something new."""

    def __init__(self, spec: ExtractorSpec, place: StageContext) -> None:
        self.spec = spec
        self.cache = FeatureCache(place.rows, digest(described(spec)))
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
        """Put the rows of these pictures on the cache."""
        rows = self.network.see(pictures, [look.text for look in looks])
        self.cache.add(_by_content([self.content(look) for look in looks], rows))

    def read(self, looks: Sequence[Look]) -> None:
        """Put the rows of every prompt on the cache that is not there."""
        texts = {text_content(look.text): look.text for look in looks}
        known = self.cache.holds(texts)
        new = [text for content, text in texts.items() if content not in known]
        for at in range(0, len(new), TEXTS):
            batch = new[at : at + TEXTS]
            assert self.network.read is not None
            rows = self.network.read(batch)
            self.cache.add(_by_content([text_content(text) for text in batch], rows))

    def gathered(self, looks: Sequence[Look]) -> dict[str, NDArray[np.float32]]:
        """Return all rows of these pictures, one array a name."""
        contents = [self.content(look) for look in looks]
        texts = [text_content(look.text) for look in looks]
        found = self.cache.get({*contents, *texts})
        rows = [found[one] | found.get(two, {}) for one, two in zip(contents, texts, strict=True)]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def text_content(text: str) -> str:
    return f"text:{digest(text)}"


def _by_content(contents: Sequence[str], rows: Any) -> dict[str, Kept]:
    return {
        content: {name: values[at] for name, values in rows.items()}
        for at, content in enumerate(contents)
    }


def extract(spec: FeaturesSpec, place: StageContext) -> None:
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
    _read_together(spec, looks, [reader, *beside], place)
    read_all(looks, [reader, *beside], place)
    save_file(reader.gathered(looks), place.folder / "features.safetensors")
    for each in (reader, *beside):
        each.cache.close()


def _looks(folder: Path, entries: Sequence[Entry]) -> list[Look]:
    contents = digests(folder)
    return [
        Look(folder / entry.file, contents[entry.file], entry.text)
        for entry in entries
        if entry.file is not None
    ]


@torch.inference_mode()
def read_all(looks: Sequence[Look], readers: Sequence[Reader], place: StageContext) -> None:
    """Show every picture to each reader that does not know it; the first reader must succeed."""
    torch.backends.cudnn.allow_tf32 = False
    unknown = _unknown(looks, readers)
    wanted = _wanted(looks, unknown)
    done = 0
    for batch, pictures in _decoded([looks[at] for at in wanted], place.batch):
        _show(batch, pictures, unknown)
        done += len(batch)
        place.report(Progress(done, len(wanted), "images"))
    for reader in unknown:
        if reader.spec.reads_text:
            reader.read(looks)


Unknown = dict[Reader, set[str]]
"""What each reader has yet to see."""


def _unknown(looks: Sequence[Look], readers: Sequence[Reader]) -> Unknown:
    """Return what is new to whom; who rides along and cannot be had is left out."""
    found = {}
    for reader in readers:
        contents = {reader.content(look) for look in looks}
        new = contents - reader.cache.holds(contents)
        if reader is readers[0] or not new or _loads(reader):
            found[reader] = new
    return found


def _wanted(looks: Sequence[Look], unknown: Unknown) -> list[int]:
    """Return the places of the pictures that are new to somebody, each once."""
    places = {
        look.content + look.text: at
        for at, look in reversed(list(enumerate(looks)))
        if any(reader.content(look) in new for reader, new in unknown.items())
    }
    return sorted(places.values())


def _show(batch: Sequence[Look], pictures: Sequence[Image.Image], unknown: Unknown) -> None:
    for reader, new in unknown.items():
        rows = _fresh(reader, batch, new)
        if rows:
            reader.see([batch[row] for row in rows], [pictures[row] for row in rows])


def _read_together(
    spec: FeaturesSpec, looks: Sequence[Look], readers: Sequence[Reader], place: StageContext
) -> None:
    """Let others fill the shelves as far as they can; what they leave is for this process."""
    contents = {reader: {reader.content(look) for look in looks} for reader in readers}
    unknown = {reader: new - reader.cache.holds(new) for reader, new in contents.items()}
    wanted = _wanted(looks, unknown)
    size = place.batch * PIECE
    cuts = [wanted[at : at + size] for at in range(0, len(wanted), size)]
    if not is_shared(place, len(cuts)):
        return
    pieces = []
    for cut in cuts:
        new = [
            [cut[row] for row in _fresh(reader, [looks[at] for at in cut], unknown[reader])]
            for reader in readers
        ]
        pieces.append(Piece({"pictures": cut, "new": new}, len(cut)))
    share("features", spec, place, pieces, 0, "images", lambda piece: _take(readers, piece, place))


def _kept_in(place: StageContext, pictures: Sequence[int]) -> Path:
    return place.folder / f"scratch-rows-{pictures[0]:08d}.safetensors"


def _take(readers: Sequence[Reader], piece: Piece, place: StageContext) -> None:
    """Put on the shelves what somebody has seen in the pictures of one piece."""
    file = _kept_in(place, piece.what["pictures"])
    with safe_open(file, framework="np") as stored:
        contents = json.loads(stored.metadata()["contents"])
        for number, reader in enumerate(readers):
            names = [name for name in stored.keys() if name.startswith(f"{number}/")]  # noqa: SIM118
            rows = {name.partition("/")[2]: stored.get_tensor(name) for name in names}
            if rows:
                reader.cache.add(_by_content(contents[number], rows))
    file.unlink()


def looker(spec: FeaturesSpec, place: StageContext) -> Work:
    """Return what looks at the pictures of one piece, for each reader at those new to it."""
    folder = place.inputs["images"]
    looks = _looks(folder, [entry for entry in read_index(folder) if entry.file])
    beside = [each.extractor for each in place.alongside]  # type: ignore[attr-defined]
    specs = [spec.extractor, *beside]
    readers = [Reader(each, replace(place, rows=None)) for each in specs]

    @torch.inference_mode()
    def piece(what: Mapping[str, Any]) -> None:
        torch.backends.cudnn.allow_tf32 = False
        new = [[looks[at] for at in places] for places in what["new"]]
        unknown = {
            reader: {reader.content(look) for look in own}
            for number, (reader, own) in enumerate(zip(readers, new, strict=True))
            if own and (number == 0 or _loads(reader))
        }
        done = 0
        for batch, pictures in _decoded([looks[at] for at in what["pictures"]], place.batch):
            _show(batch, pictures, unknown)
            done += len(batch)
            place.report(Progress(done, len(what["pictures"]), "images"))
        _hand_over(_kept_in(place, what["pictures"]), readers, new)

    return piece


def _hand_over(file: Path, readers: Sequence[Reader], new: Sequence[Sequence[Look]]) -> None:
    """Write what each reader has seen, for the one who keeps the shelves; then forget it."""
    tensors, contents = {}, []
    for number, (reader, looks) in enumerate(zip(readers, new, strict=True)):
        own = [reader.content(look) for look in looks]
        contents.append(own)
        found = reader.cache.get(own)
        for name in found[own[0]] if found else ():
            tensors[f"{number}/{name}"] = np.stack([found[content][name] for content in own])
        reader.cache.clear()
    with whole(file) as part:
        save_file(tensors, part, metadata={"contents": json.dumps(contents)})


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

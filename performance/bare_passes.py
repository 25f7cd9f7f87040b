"""What the networks of a benchmark take by themselves: `bare_passes.py PAGE STORE PICTURE`.

The floor of scoring: the passes alone, for as many pictures and texts as the store's caches hold
of each network, with nothing decoded, resized, read or written. Batches are the run's, of 16, and
the networks are computed as a run computes them. It prints JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter

import torch
from PIL import Image

from harness import plugins
from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec
from harness.keys import described, extractor_name
from harness.pages import benchmark

BATCH = 16
ROUNDS = 5
TEXT = "a girl with long pink hair and green eyes, smiling, wearing a school uniform, in a room"


def seen(store: Path, spec: ExtractorSpec) -> tuple[int, int]:
    """Return how many pictures and texts a network was shown, by the cache of its features."""
    file = store / "rows" / f"{digest(described(spec))[:32]}.sqlite"
    if not file.is_file():
        return 0, 0
    with closing(sqlite3.connect(file)) as database:
        keys = [key for (key,) in database.execute("SELECT content FROM features")]
    texts = sum(key.startswith("text:") for key in keys)
    return len(keys) - texts, texts


@torch.inference_mode()
def passes(spec: ExtractorSpec, picture: Image.Image) -> tuple[float, float]:
    """Return the seconds of a picture and of a text, each the best of some batches."""
    network = plugins.implementation(spec)(spec, "cpu")
    split = network.split
    if split is None:
        shown, words = [picture] * BATCH, [TEXT] * BATCH
        return best(lambda: network.see(shown, words)), 0.0
    gathered = split.gather([split.prepare(picture)] * BATCH)
    texts = [f"{TEXT}, {number}" for number in range(BATCH)]
    read = network.read
    look, read = best(lambda: split.compute(gathered)), network.read
    return look, best(lambda: read(texts)) if read is not None else 0.0


def best(work: Callable[[], object]) -> float:
    """Return the least seconds of one of a batch."""
    work()
    spent = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work()
        spent.append(perf_counter() - began)
    return min(spent) / BATCH


def floor_of(
    specs: list[ExtractorSpec], store: Path, picture: Image.Image
) -> dict[str, dict[str, float]]:
    """Return for each network the pictures and texts that it was shown, and the seconds of both."""
    found = {}
    for spec in specs:
        pictures, texts = seen(store, spec)
        look, read = passes(spec, picture)
        found[extractor_name(spec)] = {
            "pictures": pictures,
            "texts": texts,
            "seconds": pictures * look + texts * read,
        }
    return found


def main() -> None:
    page, store, picture = map(Path, sys.argv[1:])
    specs = benchmark.load(page).extractors()
    print(json.dumps(floor_of(specs, store, Image.open(picture).convert("RGB"))))


if __name__ == "__main__":
    main()

"""One pass over the images for all extractors: which images to decode, and who takes which.

Each image is decoded once, a little ahead of the networks, and given to every extractor that
does not know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from PIL import Image

from harness.interfaces import Progress, StageContext
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile
from harness.pipeline.stages.files import open_picture

AHEAD = 2
"""Batches that are decoded while the networks are busy."""


@dataclass(frozen=True)
class FeaturePass:
    """The images that a pass decodes, and those that each extractor takes; all by position."""

    decoded: Sequence[int]
    taken: Mapping[CachedExtractor, frozenset[int]]


def plan_pass(images: Sequence[ImageFile], extractors: Iterable[CachedExtractor]) -> FeaturePass:
    """Return the pass that fills the caches; of equal images an extractor takes the first."""
    missing = {extractor: extractor.missing(images) for extractor in extractors}
    wanted = {
        position: image.content + image.text
        for position, image in enumerate(images)
        if any(extractor.key(image) in keys for extractor, keys in missing.items())
    }
    decoded = _first_positions(wanted)
    taken = {}
    for extractor, keys in missing.items():
        new = {at: key for at in decoded if (key := extractor.key(images[at])) in keys}
        taken[extractor] = frozenset(_first_positions(new))
    return FeaturePass(decoded, taken)


def _first_positions(keys: Mapping[int, str]) -> list[int]:
    """Return the first position of each key."""
    firsts: dict[str, int] = {}
    for position, key in keys.items():
        firsts.setdefault(key, position)
    return list(firsts.values())


@torch.inference_mode()
def run_pass(images: Sequence[ImageFile], each_pass: FeaturePass, context: StageContext) -> None:
    """Decode the images of a pass, and let every extractor put its features into its cache."""
    torch.backends.cudnn.allow_tf32 = False
    done = 0
    for positions, pictures in _decode(images, each_pass.decoded, context.batch):
        for extractor, taken in each_pass.taken.items():
            rows = [row for row, position in enumerate(positions) if position in taken]
            if rows:
                chosen = [images[positions[row]] for row in rows]
                extractor.extract(chosen, [pictures[row] for row in rows])
        done += len(positions)
        context.report(Progress(done, len(each_pass.decoded), "images"))


def _decode(
    images: Sequence[ImageFile], positions: Sequence[int], size: int
) -> Iterator[tuple[Sequence[int], list[Image.Image]]]:
    """Yield the pictures in batches, decoded by another thread a little ahead."""
    batches = [positions[start : start + size] for start in range(0, len(positions), size)]

    def decode(batch: Sequence[int]) -> list[Image.Image]:
        return [open_picture(images[position].file) for position in batch]

    with ThreadPoolExecutor(1) as thread:
        waiting = [thread.submit(decode, batch) for batch in batches[:AHEAD]]
        for number, batch in enumerate(batches):
            pictures = waiting.pop(0).result()
            if number + AHEAD < len(batches):
                waiting.append(thread.submit(decode, batches[number + AHEAD]))
            yield batch, pictures

"""One pass over the images for all extractors: which images to decode, and who takes which.

Each image is decoded once, a little ahead of the networks, and given to every extractor that
does not know it. Threads decode, and cut and resize for each network; another gathers batches.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from harness.data.prefetch import in_order
from harness.interfaces import Progress, StageContext
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile
from harness.pipeline.stages.files import open_picture, pixels_of

GPU_BATCHES = 4
"""Batches of the run that make one on a GPU."""
PIXELS = 3 * 512 * 1024
"""Pixels of a large picture; a batch of larger ones has fewer of them."""
MOST_THREADS = 16
"""Threads of one process that decode images ahead of the networks."""


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
    done = 0
    with exact_convolutions(), closing(batches_ahead(images, each_pass, context)) as batches:
        for batch in batches:
            for extractor, (taken, gathered) in batch.inputs.items():
                extractor.extract([images[at] for at in taken], gathered)
            done += batch.size
            context.report(Progress(done, len(each_pass.decoded), "images"))


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let convolutions in fp32 compute as such on a GPU, and not in TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@dataclass(frozen=True)
class Batch:
    """Some images of a pass, decoded, and turned into what each network wants of them."""

    size: int
    inputs: Mapping[CachedExtractor, tuple[Sequence[int], Any]]
    """For each extractor the positions of its images, and their gathered inputs."""


def batches_ahead(
    images: Sequence[ImageFile], each_pass: FeaturePass, context: StageContext
) -> Generator[Batch]:
    """Yield the batches of a pass; threads decode and prepare them ahead of the networks."""
    takers = {each: positions for each, positions in each_pass.taken.items() if positions}
    for extractor in takers:
        _ = extractor.network  # loaded here, since several threads must not do it at once

    def prepare(position: int) -> dict[CachedExtractor, Any]:
        picture = open_picture(images[position].file)
        return {each: each.prepare(picture) for each, own in takers.items() if position in own}

    def gather(started: Started) -> Batch:
        ready = {position: future.result() for position, future in started.items()}
        inputs: dict[CachedExtractor, tuple[Sequence[int], Any]] = {}
        for each in takers:
            own = [position for position, prepared in ready.items() if each in prepared]
            if own:
                inputs[each] = own, each.gather([ready[position][each] for position in own])
        return Batch(len(ready), inputs)

    workers = ThreadPoolExecutor(threads())
    try:
        starts: Iterator[Started] = (
            {at: workers.submit(prepare, at) for at in batch}
            for batch in batches_of(images, each_pass.decoded, images_at_once(context))
        )
        for _, batch in in_order(gather, starts, 1):
            yield batch
    finally:
        workers.shutdown(cancel_futures=True)


def batches_of(
    images: Sequence[ImageFile], decoded: Sequence[int], size: int
) -> Iterator[list[int]]:
    """Yield the positions of each batch: so many images, fewer where they are large.

    Several batches wait decoded, and some networks keep whole pictures until their turn.
    """
    batch: list[int] = []
    pixels, most = 0, PIXELS * size
    for at in decoded:
        count = pixels_of(images[at].file)
        if batch and (len(batch) == size or pixels + count > most):
            yield batch
            batch, pixels = [], 0
        batch.append(at)
        pixels += count
    if batch:
        yield batch


Started = Mapping[int, "Future[dict[CachedExtractor, Any]]"]
"""The inputs of a batch that threads make, by the position of their image."""


def images_at_once(context: StageContext) -> int:
    """Return how many images make a batch: more on a GPU, where 16 would leave it half idle."""
    return context.batch * (1 if context.device == "cpu" else GPU_BATCHES)


def threads() -> int:
    """Return how many threads decode in this process, which may share its machine with others."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // processes))

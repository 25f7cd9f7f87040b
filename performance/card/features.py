"""Features: from PNG files to rows by the stage's own pass, and which share the networks take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from card.figures import Context, Figure, attempt, missing
from card.machine import has
from harness.interfaces import Network, StageContext
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile
from harness.pipeline.stages.feature_pass import (
    Batch,
    batches_ahead,
    exact_convolutions,
    images_at_once,
    plan_pass,
    threads,
)
from harness.pipeline.stages.features import fill_caches
from harness.pipeline.stages.files import open_picture, save_png

PART = "features"
DISTINCT, TIMES = 64, 4
"""Pictures on disk, and how often each is read in one pass."""
LONE = 8.0
"""Seconds that the pass of one network may need at the least."""
TEXT = "1girl, red hair, blue jacket"
Networks = dict[str, CachedExtractor]


def figures(context: Context) -> Iterator[Figure]:
    """Measure one pass for all networks, as a run has it; then a pass for each alone."""
    lacking = [name for name in ("open_clip", "torch_fidelity") if not has(name)]
    if lacking:
        yield missing(PART, "all", f"skipped: {', '.join(lacking)} is not here")
        return
    yield from attempt(context, PART, "all", lambda: _figures(context), LONE)


def _figures(context: Context) -> Iterator[Figure]:
    files, writing = write_pictures(context)
    made = networks(context)
    place = StageContext(context.folder, {}, context.device)
    decoding = _cpu_seconds(files, made)
    yield Figure(PART, "decoding", 1e3 * decoding["open"], "ms", _decoding_facts(decoding, writing))
    yield from _pass(context, "all", made, files, place)
    for name in made:
        lone = {name: made[name]}
        yield from attempt(
            context, PART, name, lambda lone=lone: _pass(context, *lone, lone, files, place), LONE
        )


def write_pictures(context: Context) -> tuple[list[Path], float]:
    """Write smooth random pictures as the sampler does; return the seconds that it took, too."""
    folder = context.folder / "pictures"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    side = context.side
    coarse = [
        rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        for _ in range(2 if context.is_dry else DISTINCT)
    ]
    files = [folder / f"{number}.png" for number in range(len(coarse))]

    def write(number: int) -> None:
        picture = Image.fromarray(coarse[number]).resize((side, side), Image.Resampling.BICUBIC)
        save_png(picture, files[number])

    began = time.perf_counter()
    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(write, range(len(files))))
    return files, time.perf_counter() - began


def networks(context: Context) -> Networks:
    """Return the extractors with random weights on the device, or tiny ones in a rehearsal."""
    from card.random_networks import clip, dinov2, inception

    place = StageContext(context.folder, {}, context.device)
    made: dict[str, tuple[Any, Network]] = {
        "inception": inception(context),
        "clip": clip(context),
        "dinov2": dinov2(context),
    }
    return {name: CachedExtractor(spec, place, network) for name, (spec, network) in made.items()}


def _cpu_seconds(files: Sequence[Path], made: Networks) -> dict[str, float]:
    """Return the seconds of one CPU a picture: to open it, and to prepare it for each network."""
    seconds: dict[str, float] = dict.fromkeys(("open", *made), 0.0)
    sample = files[:8]
    for file in sample:
        began = time.thread_time()
        picture = open_picture(file)
        seconds["open"] += time.thread_time() - began
        for name, extractor in made.items():
            began = time.thread_time()
            extractor.prepare(picture)
            seconds[name] += time.thread_time() - began
    return {name: each / len(sample) for name, each in seconds.items()}


def _decoding_facts(decoding: dict[str, float], writing: float) -> dict[str, Any]:
    preparing = sum(decoding.values()) - decoding["open"]
    return {
        "prepare_seconds": {name: each for name, each in decoding.items() if name != "open"},
        "threads": threads(),
        "cpus": os.cpu_count(),
        "writing_seconds": writing,
        "note": f"and {1e3 * preparing:.1f} ms to prepare, of one CPU a picture; "
        f"{threads()} threads; the files took {writing:.1f} s to write",
    }


def _pass(
    context: Context, name: str, made: Networks, files: Sequence[Path], place: StageContext
) -> Iterator[Figure]:
    """Yield the speed of a pass from the files, beside that of batches that lie on the device."""
    times = 1 if context.is_dry else TIMES
    fill_caches(
        _images(files[: images_at_once(place)], f"{name}-first", 1), list(made.values()), place
    )
    context.synchronize()
    images = _images(files, name, times)
    whole = context.seconds(lambda: fill_caches(images, list(made.values()), place))
    peak = context.peak_memory
    alone = _network_seconds(context, _images(files, f"{name}-again", times), made, place)
    share = sum(alone.values()) / whole
    facts = {
        "pictures": len(images),
        "batch": images_at_once(place),
        "threads": threads(),
        "seconds": whole,
        "network_seconds": alone,
        "network_share": share,
        "network_images_per_second": len(images) / sum(alone.values()),
        "peak_bytes": peak,
        "note": f"networks {100 * share:.0f} % of the time",
    }
    yield Figure(PART, name, len(images) / whole, "images/s", facts)


def _images(files: Sequence[Path], name: str, times: int) -> list[ImageFile]:
    """Return images that no cache knows yet."""
    return [
        ImageFile(file, f"{name}-{at}-{file.stem}", TEXT) for at in range(times) for file in files
    ]


@torch.inference_mode()
def _network_seconds(
    context: Context, images: Sequence[ImageFile], made: Networks, place: StageContext
) -> dict[str, float]:
    """Return the seconds of each network on the batches of a pass, which lie on the device."""
    batches = list(batches_ahead(images, plan_pass(images, made.values()), place))
    with exact_convolutions():
        return {
            name: context.seconds(lambda extractor=extractor: _compute(extractor, batches))
            for name, extractor in made.items()
        }


def _compute(extractor: CachedExtractor, batches: Sequence[Batch]) -> None:
    split = extractor.network.split
    assert split is not None
    for batch in batches:
        split.compute(batch.inputs[extractor][1])

"""Features: from PNG files to rows by the stage's own pass, and which share the networks take."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
PICTURES = 256
"""How many pictures a pass reads; each lies in a file of its own, if there was time to write it."""
WRITING = 6.0
"""Seconds that go into writing them."""
LONE = 8.0
"""Seconds that the pass of one network may need at the least."""
TEXT = "1girl, red hair, blue jacket"
Networks = dict[str, CachedExtractor]


def figures(context: Context) -> Iterator[Figure]:
    """Measure one pass for all networks, as a run has it; then a pass for each alone."""
    needed = ("open_clip", "torchvision", "torch_fidelity")
    lacking = [name for name in needed if not has(name)]
    if lacking:
        yield missing(PART, "all", f"skipped: {', '.join(lacking)} is not here")
        return
    yield from attempt(context, PART, "all", lambda: _figures(context), LONE)


def _figures(context: Context) -> Iterator[Figure]:
    files, writing = write_pictures(context)
    made = networks(context)
    place = StageContext(context.folder, {}, context.device)
    cpu = _cpu_seconds(files, made)
    yield Figure(PART, "decoding", 1e3 * cpu["open"], "ms", _decoding_facts(cpu, files, writing))
    yield from _pass(context, "all", made, files, place, cpu)
    for name in made:
        lone = {name: made[name]}
        work = partial(_pass, context, name, lone, files, place, cpu)
        yield from attempt(context, PART, name, work, LONE)


def write_pictures(context: Context) -> tuple[list[Path], float]:
    """Write smooth random pictures as the sampler does, as many as the time for it allows; return
    the seconds that it took, too."""
    folder = context.folder / "pictures"
    folder.mkdir(exist_ok=True)
    side, most = context.side, 2 if context.is_dry else PICTURES
    began = time.perf_counter()

    def write(number: int) -> Path | None:
        if number and time.perf_counter() - began > WRITING:
            return None
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        save_png(picture, folder / f"{number}.png")
        return folder / f"{number}.png"

    with ThreadPoolExecutor(threads()) as pool:
        files = [file for file in pool.map(write, range(most)) if file is not None]
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
    open_picture(sample[0])  # the first one finds out which formats there are
    for file in sample:
        began = time.thread_time()
        picture = open_picture(file)
        seconds["open"] += time.thread_time() - began
        for name, extractor in made.items():
            began = time.thread_time()
            extractor.prepare(picture)
            seconds[name] += time.thread_time() - began
    return {name: each / len(sample) for name, each in seconds.items()}


def _decoding_facts(cpu: dict[str, float], files: Sequence[Path], writing: float) -> dict[str, Any]:
    preparing = sum(cpu.values()) - cpu["open"]
    return {
        "prepare_seconds": {name: each for name, each in cpu.items() if name != "open"},
        "files": len(files),
        "threads": threads(),
        "cpus": os.cpu_count(),
        "writing_seconds": writing,
        "note": f"and {1e3 * preparing:.1f} ms to prepare, of one CPU a picture; "
        f"{threads()} threads; {len(files)} files took {writing:.1f} s to write",
    }


def _pass(
    context: Context,
    name: str,
    made: Networks,
    files: Sequence[Path],
    place: StageContext,
    cpu: dict[str, float],
) -> Iterator[Figure]:
    """Yield the speed of a pass from the files, beside that of batches that lie on the device."""
    times = 1 if context.is_dry else math.ceil(PICTURES / len(files))
    fill_caches(
        _images(files[: images_at_once(place)], f"{name}-first", 1), list(made.values()), place
    )
    context.synchronize()
    images = _images(files, name, times)
    whole = context.seconds(lambda: fill_caches(images, list(made.values()), place))
    peak = context.peak_memory
    alone = _network_seconds(context, _images(files, f"{name}-again", times), made, place)
    facts = {
        "pictures": len(images),
        "files": len(files),
        "batch": images_at_once(place),
        "threads": threads(),
        "seconds": whole,
        "network_seconds": alone,
        "peak_bytes": peak,
        **_division(len(images) / whole, len(images) / sum(alone.values()), made, cpu),
    }
    yield Figure(PART, name, len(images) / whole, "images/s", facts)


def _division(
    speed: float, networks: float, made: Networks, cpu: dict[str, float]
) -> dict[str, Any]:
    """Return how the time of a pass divides: what the networks alone reach, and the threads alone
    if each has a CPU and none waits for another."""
    reading = threads() / sum(cpu[name] for name in ("open", *made))
    share = speed / networks
    limit = "the threads limit it" if reading < networks else "the networks can limit it"
    return {
        "network_share": share,
        "network_images_per_second": networks,
        "reading_images_per_second": reading,
        "note": f"networks {100 * share:.0f} % of the time; alone they reach {networks:.0f} "
        f"images/s, the threads {reading:.0f}: {limit}",
    }


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

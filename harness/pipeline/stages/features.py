"""Features: one pass over a folder of images for all the extractors that ask.

A step writes the features of its own extractor. The features of the other steps on the same
images wait in their caches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from harness.files import whole
from harness.interfaces import StageContext
from harness.pages.stages import FeaturesSpec
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile, by_key
from harness.pipeline.stages.feature_pass import FeaturePass, plan_pass, run_pass
from harness.pipeline.stages.files import digests, read_index
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, is_shared, share

BATCHES = 8
"""Batches in one piece."""


def extract(spec: FeaturesSpec, context: StageContext) -> None:
    """Write `features.safetensors`: every array has one row for each image that has a file."""
    images = images_of(context.inputs["images"])
    if not images:
        empty = np.zeros((0, 1), np.float32)
        save_file({"images": empty, "texts": empty}, context.folder / "features.safetensors")
        return
    extractors = _extractors(spec, context)
    _share_pass(spec, images, extractors, context)
    fill_caches(images, extractors, context)
    if not extractors[0].is_complete(images):  # a cache that was found damaged has lost some
        fill_caches(images, extractors, context)
    save_file(extractors[0].features(images), context.folder / "features.safetensors")
    for extractor in extractors:
        extractor.cache.close()


def images_of(folder: Path, contents: Mapping[str, str] | None = None) -> list[ImageFile]:
    """Return the images of a folder that have a file, each with its digest and its prompt.

    `contents` are the digests of the files, where no manifest has them.
    """
    known = digests(folder) if contents is None else contents
    return [
        ImageFile(folder / entry.file, known[entry.file], entry.text)
        for entry in read_index(folder)
        if entry.file
    ]


def _extractors(spec: FeaturesSpec, context: StageContext) -> list[CachedExtractor]:
    """Return the step's own extractor first, then those of other steps on the same images."""
    others = [each.extractor for each in context.alongside]  # type: ignore[attr-defined]
    return [CachedExtractor(each, context) for each in (spec.extractor, *others)]


@torch.inference_mode()
def fill_caches(
    images: Sequence[ImageFile], extractors: Sequence[CachedExtractor], context: StageContext
) -> None:
    """Put into every cache what is not there; only the first extractor must be installed."""
    first, *others = extractors
    usable = [first, *(each for each in others if not each.missing(images) or each.can_load())]
    run_pass(images, plan_pass(images, usable), context)
    for extractor in usable:
        if extractor.spec.reads_text:
            extractor.extract_texts(images)


def _share_pass(
    spec: FeaturesSpec,
    images: Sequence[ImageFile],
    extractors: Sequence[CachedExtractor],
    context: StageContext,
) -> None:
    """Let other processes fill the caches as far as they can; this process does the rest."""
    planned = plan_pass(images, extractors)
    size = context.batch * BATCHES
    starts = range(0, len(planned.decoded), size)
    if not is_shared(context, len(starts)):
        return
    pieces = []
    for start in starts:
        decoded = planned.decoded[start : start + size]
        taken = [[at for at in decoded if at in planned.taken[each]] for each in extractors]
        pieces.append(Piece({"decoded": decoded, "taken": taken}, len(decoded)))
    share(
        "features",
        spec,
        context,
        pieces,
        note="images",
        after_piece=lambda piece: _fetch_features(extractors, _file(context, piece.what)),
    )


def _file(context: StageContext, what: Mapping[str, Any]) -> Path:
    """Return the file in which a worker leaves the features of a piece."""
    return context.folder / f"scratch-rows-{what['decoded'][0]:08d}.safetensors"


def piece_extractor(spec: FeaturesSpec, context: StageContext) -> DoPiece:
    """Return the function that extracts the features of one piece and leaves them in a file."""
    images = images_of(context.inputs["images"])
    extractors = _extractors(spec, replace(context, rows=None))

    def do_piece(what: Mapping[str, Any]) -> None:
        taken = {
            extractor: frozenset(positions)
            for number, (extractor, positions) in enumerate(
                zip(extractors, what["taken"], strict=True)
            )
            if positions and (number == 0 or extractor.can_load())
        }
        run_pass(images, FeaturePass(what["decoded"], taken), context)
        chosen = [[images[at] for at in positions] for positions in what["taken"]]
        _leave_features(extractors, chosen, _file(context, what))

    return do_piece


def _leave_features(
    extractors: Sequence[CachedExtractor], images: Sequence[Sequence[ImageFile]], file: Path
) -> None:
    """Write what each extractor made of its images, and empty its cache."""
    tensors, keys = {}, []
    for number, (extractor, taken) in enumerate(zip(extractors, images, strict=True)):
        keys.append([extractor.key(image) for image in taken])
        cached = extractor.cache.get(keys[-1])
        for name in cached[keys[-1][0]] if cached else ():
            tensors[f"{number}/{name}"] = np.stack([cached[key][name] for key in keys[-1]])
        extractor.cache.clear()
    with whole(file) as part:
        save_file(tensors, part, metadata={"keys": json.dumps(keys)})


def _fetch_features(extractors: Sequence[CachedExtractor], file: Path) -> None:
    """Put the features that a worker left in `file` into the caches."""
    with safe_open(file, framework="np") as stored:
        keys = json.loads(stored.metadata()["keys"])
        for number, extractor in enumerate(extractors):
            names = [name for name in stored.keys() if name.startswith(f"{number}/")]  # noqa: SIM118
            rows = {name.partition("/")[2]: stored.get_tensor(name) for name in names}
            if rows:
                extractor.cache.add(by_key(keys[number], rows))
    file.unlink()

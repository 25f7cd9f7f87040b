"""Latents: pictures encoded by the VAE, each cropped to one shape, with their time ids.

Mean and standard deviation are kept, so that training can draw a new sample each time.
Latents come in shards of one shape, each written whole, so that a kill costs one shard.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from harness.data.buckets import Shape, nearest, shapes
from harness.data.opening import open_image
from harness.diffusion.latents import View, encode_pixels, view_pixels, views
from harness.diffusion.load import load_vae
from harness.errors import TrainingError
from harness.interfaces import Progress, StageContext
from harness.pages.stages import LatentsSpec
from harness.pipeline.stages.files import Entry, read_index, write_index
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.training.sets import save_tensors

SHARD = 256
"""Pictures in one shard."""
PIXELS = 4 * 1024 * 1024
"""Pixels that the VAE encodes at once; its activations are the peak of this stage."""


@dataclass(frozen=True)
class Shard:
    """Some pictures of one shape, by their positions in the index."""

    name: str
    shape: Shape
    members: tuple[int, ...]


def encode(spec: LatentsSpec, context: StageContext) -> None:
    """Write `latents-*.safetensors`, how many pictures have which shape, and the index."""
    entries = [entry for entry in read_index(context.inputs["data"]) if entry.file]
    shards = _shards(spec, context.inputs["data"], entries)
    finished = FinishedFiles(context.folder)
    missing = [shard for shard in shards if not finished.has(shard.name)]
    pieces = [Piece(asdict(shard), len(shard.members)) for shard in missing]
    done = len(entries) - sum(piece.size for piece in pieces)
    share("latents", spec, context, pieces, done, "latents")
    counts = Counter(
        f"{shard.shape[1]}x{shard.shape[0]}" for shard in shards for _ in shard.members
    )
    (context.folder / "shapes.json").write_text(json.dumps(dict(sorted(counts.items()))))
    write_index(context.folder, entries)


def piece_encoder(spec: LatentsSpec, context: StageContext) -> DoPiece:
    """Return the function that encodes one shard; the first call loads the VAE."""
    entries = [entry for entry in read_index(context.inputs["data"]) if entry.file]
    vae = cache(lambda: load_vae(spec.vae, context.device))
    finished = FinishedFiles(context.folder)

    def do_piece(what: Mapping[str, Any]) -> None:
        shard = Shard(what["name"], tuple(what["shape"]), tuple(what["members"]))
        if not finished.has(shard.name):
            _encode_shard(spec, context, vae(), entries, shard)
            finished.add(shard.name)

    return do_piece


def _shards(spec: LatentsSpec, folder: Path, entries: list[Entry]) -> list[Shard]:
    """Return the shards: pictures of one shape together, in the order of the index."""
    square: Shape = (spec.resolution, spec.resolution)
    allowed = shapes(spec.buckets, spec.resolution) if spec.buckets else [square]
    members: dict[Shape, list[int]] = {}
    for number, entry in enumerate(entries):
        shape = square
        if spec.buckets is not None:
            with open_image(folder / str(entry.file)) as image:
                shape = nearest(image.height / image.width, allowed)
        members.setdefault(shape, []).append(number)
    return [
        Shard(
            f"latents-{shape[0]}x{shape[1]}-{part:05d}.safetensors",
            shape,
            tuple(numbers[start : start + SHARD]),
        )
        for shape, numbers in sorted(members.items())
        for part, start in enumerate(range(0, len(numbers), SHARD))
    ]


def _encode_shard(
    spec: LatentsSpec, context: StageContext, vae: AutoencoderKL, entries: list[Entry], shard: Shard
) -> None:
    chosen = views(spec.crop, spec.flip)
    at_once = max(1, min(context.batch, PIXELS // (shard.shape[0] * shard.shape[1] * len(chosen))))
    means, stds, ids = [], [], []
    for start in range(0, len(shard.members), at_once):
        batch = [entries[number] for number in shard.members[start : start + at_once]]
        seen = [_seen(spec, context, entry, shard.shape, chosen) for entry in batch]
        mean, std = encode_pixels(vae, torch.cat([pixels for pixels, _ in seen]))
        _check_finite(mean, batch, len(chosen))
        shape = (len(batch), len(chosen), *mean.shape[1:])
        means.append(mean.reshape(shape).half().cpu())
        stds.append(std.reshape(shape).half().cpu())
        ids.append(torch.stack([each for _, each in seen]))
        context.report(Progress(start + len(batch), len(shard.members), "latents"))
    tensors = {"mean": torch.cat(means), "std": torch.cat(stds), "ids": torch.cat(ids)}
    members = torch.tensor(shard.members, dtype=torch.int64)
    save_tensors(context.folder / shard.name, {**tensors, "members": members})


def _seen(
    spec: LatentsSpec, context: StageContext, entry: Entry, shape: Shape, chosen: list[View]
) -> tuple[Tensor, Tensor]:
    """Return pixels (V × 3 × h × w) and time ids (V × 6) of every view of one picture."""
    with open_image(context.inputs["data"] / str(entry.file)) as image:
        versions = [view_pixels(image, entry.id, view, spec.crop, shape) for view in chosen]
    pixels, ids = zip(*versions, strict=True)
    return torch.stack(pixels), torch.stack(ids)


def _check_finite(mean: Tensor, batch: list[Entry], count: int) -> None:
    """Refuse latents that are not finite, by the name of their picture."""
    if torch.isfinite(mean).all():
        return
    bad = (~torch.isfinite(mean).flatten(1).all(1)).nonzero()[0, 0]
    name = batch[int(bad) // count].file
    raise TrainingError(
        f"the VAE gives no finite latent for {name}",
        hint="use base.vae: madebyollin/sdxl-vae-fp16-fix",
    )

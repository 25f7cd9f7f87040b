"""Encode: pictures to latents and captions to embeddings, so that training loads neither encoder.

The text encoders are freed before the VAE is loaded. Latents come in shards, each written
whole, so that a kill costs one shard.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from harness.diffusion.latents import encode_pixels, look, views
from harness.diffusion.load import dtype_for, load_text_encoders, load_vae
from harness.diffusion.words import embed
from harness.errors import TrainingError
from harness.interfaces import Progress, Workplace
from harness.stages.files import Entry, read_index, write_index
from harness.steps import EncodeSpec

SHARD = 256
"""Pictures a shard."""


def encode(spec: EncodeSpec, place: Workplace) -> None:
    """Write `latents-*.safetensors`, `texts.safetensors` and the index they follow."""
    source = place.inputs["data"]
    entries = [entry for entry in read_index(source) if entry.file]
    if spec.texts:
        _encode_texts(spec, place, [entry.text for entry in entries])
    _encode_images(spec, place, entries)
    write_index(place.folder, entries)


@torch.no_grad()
def _encode_texts(spec: EncodeSpec, place: Workplace, texts: list[str]) -> None:
    """Row 0 is the empty text; every other text stands once."""
    file = place.folder / "texts.safetensors"
    if file.exists():
        return
    distinct = list(dict.fromkeys(["", *texts]))
    row_of = {text: row for row, text in enumerate(distinct)}
    encoders = load_text_encoders(spec.base, place.device, dtype_for("fp16", place.device))
    sequences, pooled = [], []
    for start in range(0, len(distinct), place.batch):
        sequence, summary = embed(distinct[start : start + place.batch], encoders)
        sequences.append(sequence.half().cpu())
        pooled.append(summary.half().cpu())
        place.report(Progress(min(start + place.batch, len(distinct)), len(distinct), "captions"))
    _save(
        file,
        {
            "sequences": torch.cat(sequences),
            "pooled": torch.cat(pooled),
            "rows": torch.tensor([row_of[text] for text in texts]),
        },
    )


def _encode_images(spec: EncodeSpec, place: Workplace, entries: list[Entry]) -> None:
    vae = load_vae(spec.base, place.device)
    chosen = views(spec.crop, spec.flip)
    for number, start in enumerate(range(0, len(entries), SHARD)):
        file = place.folder / f"latents-{number:05d}.safetensors"
        if file.exists():
            continue
        means, stds, ids = [], [], []
        for at in range(start, min(start + SHARD, len(entries)), place.batch):
            piece = entries[at : min(at + place.batch, start + SHARD)]
            seen = [_seen(spec, place, entry) for entry in piece]
            pixels = torch.cat([pixel for pixel, _ in seen])
            mean, std = encode_pixels(vae, pixels)
            if not torch.isfinite(mean).all():
                bad = (~torch.isfinite(mean).flatten(1).all(1)).nonzero()[0, 0]
                name = piece[int(bad) // len(chosen)].file
                raise TrainingError(f"the VAE gives no finite latent for {name}",
                                    hint="use base.vae: madebyollin/sdxl-vae-fp16-fix")  # fmt: skip
            shape = (len(piece), len(chosen), *mean.shape[1:])
            means.append(mean.reshape(shape).half().cpu())
            stds.append(std.reshape(shape).half().cpu())
            ids.append(torch.stack([each for _, each in seen]))
            place.report(Progress(at + len(piece), len(entries), "latents"))
        tensors = {"mean": torch.cat(means), "std": torch.cat(stds), "ids": torch.cat(ids)}
        _save(file, tensors)


def _seen(spec: EncodeSpec, place: Workplace, entry: Entry) -> tuple[Tensor, Tensor]:
    """Return pixels (V × 3 × s × s) and time ids (V × 6) of every view of one picture."""
    with Image.open(place.inputs["data"] / str(entry.file)) as image:
        looks = [
            look(image, entry.id, view, spec.crop, spec.resolution)
            for view in views(spec.crop, spec.flip)
        ]
    return torch.stack([pixels for pixels, _ in looks]), torch.stack([ids for _, ids in looks])


def _save(file: Path, tensors: dict[str, Tensor]) -> None:
    part = file.with_suffix(".part")
    save_file(tensors, part)
    part.replace(file)

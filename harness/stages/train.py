"""Train: encoded sets to an adapter, or to whole new weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from harness.diffusion import loop
from harness.diffusion.adapters import save_adapter
from harness.interfaces import Workplace
from harness.records import described
from harness.stages.files import read_index
from harness.steps import TrainSpec


def train(spec: TrainSpec, place: Workplace) -> None:
    """Write `adapter.safetensors` or the trained models, and the log of every step."""
    sets = [read_set(place.inputs[f"set-{number}"]) for number in range(max(spec.phase_sets) + 1)]
    trainee = loop.prepare(spec, place.device)
    loop.run(spec, sets, trainee, place.folder, place.report)
    if spec.train.method == "lora":
        facts = {"base": spec.base.model, "train": json.dumps(described(spec.train))}
        save_adapter(trainee.models, place.folder, facts)
        return
    precision = torch.float16
    for part, model in trainee.models.items():
        model.to(precision).save_pretrained(place.folder / part)  # type: ignore[operator]


def read_set(folder: Path) -> loop.EncodedSet:
    """Return one encoded set, its shards joined."""
    shards = [load_file(file) for file in sorted(folder.glob("latents-*.safetensors"))]
    texts = folder / "texts.safetensors"
    words = load_file(texts) if texts.exists() else {}
    return loop.EncodedSet(
        mean=torch.cat([shard["mean"] for shard in shards]),
        std=torch.cat([shard["std"] for shard in shards]),
        ids=torch.cat([shard["ids"] for shard in shards]),
        captions=[entry.text for entry in read_index(folder)],
        rows=words.get("rows"),
        sequences=words.get("sequences"),
        pooled=words.get("pooled"),
    )

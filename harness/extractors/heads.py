"""A few layers on the image embeddings of an open_clip model: LAION's aesthetic heads and kin.

Known heads, with the encoder that each was trained on:

- LAION v1 (`sa_0_4_vit_l_14_linear.pth`, one layer) and v2 (`sac+logos+ava1-l14-linearMSE.pth`,
  five layers): ViT-L-14-quickgelu, openai.
- Aesthetic Predictor v2.5 (`aesthetic_predictor_v2_5.pth`): ViT-SO400M-14-SigLIP-384, webli.
- Waifu scorer v3 (`Eugeoter/waifu-scorer-v3` on the hub, `activation: relu`):
  ViT-L-14-quickgelu, openai.

Every one of them reads embeddings at length 1. Scores are as the head gives them: the waifu
scorer's own demonstration cuts them to 0…10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from open_clip.factory import load_state_dict
from torch import Tensor, nn

from harness.errors import ScoringError
from harness.extractors.batches import from_parts
from harness.extractors.clip import embeddings
from harness.extractors.hub import revision_of
from harness.extractors.specs import Head
from harness.extractors.weights import FILES, UNLOADABLE, absent
from harness.interfaces import Network, Rows

_HUB_FILE = "model.safetensors"


def head(spec: Head, device: str) -> Network:
    """See what the head says of each embedding, N × 1 for a head with one output."""
    layers = load_head(spec).to(device).eval()
    encoder = embeddings(spec.encoder, device)
    width = next(each.in_features for each in layers if isinstance(each, nn.Linear))

    assert encoder.split is not None

    def judge(embedded: Rows) -> Rows:
        seen = torch.tensor(embedded["images"], device=device)
        if seen.shape[1] != width:
            raise ScoringError(
                f"the head {spec.head} reads {width} numbers, {spec.encoder.model} gives "
                f"{seen.shape[1]}",
                hint="name the encoder that the head was trained on",
            )
        return {"images": layers(seen).cpu().numpy()}

    compute = encoder.split.compute
    return from_parts(replace(encoder.split, compute=lambda batch: judge(compute(batch))))


def load_head(spec: Head) -> nn.Sequential:
    """Return the layers that a file holds, in fp32."""
    try:
        weights = load_state_dict(_file(spec.head, spec.revision))
        return stacked({name: value.float() for name, value in weights.items()}, spec.activation)
    except UNLOADABLE as error:
        fetch = f"hf download {spec.head} {_HUB_FILE}"
        raise absent("the head", spec.head, error, fetch) from error


def _file(name: str, revision: str | None) -> str:
    """Return the path of a head's weights, which a name without a file's ending has on the hub."""
    is_file = Path(name).suffix in FILES or Path(name).exists()
    return (
        name
        if is_file
        else str(hf_hub_download(name, _HUB_FILE, revision=revision_of(name, revision)))
    )


def stacked(weights: Mapping[str, Tensor], activation: str) -> nn.Sequential:
    """Return the layers by their numbers in the names of their weights.

    Whatever has no weights left a gap in those numbers: the activation stands in the first place
    after a linear layer that no other layer takes.
    """
    numbered: dict[int, dict[str, Tensor]] = {}
    for name, value in weights.items():
        *_, place, part = ("0", *name.split("."))
        if not place.isdigit():
            raise ValueError(f"{name} is of no numbered layer")
        numbered.setdefault(int(place), {})[part] = value
    last = max(numbered)
    layers: list[nn.Module] = []
    waiting = False
    for number in range(last + 1):
        if number in numbered:
            layers.append(_layer(numbered[number]))
            waiting = isinstance(layers[-1], nn.Linear) or waiting
        elif waiting:
            layers += [nn.ReLU()] if activation == "relu" else []
            waiting = False
    return nn.Sequential(*layers)


def _layer(parts: Mapping[str, Tensor]) -> nn.Module:
    """Return a linear layer or a batch norm, whichever has these weights."""
    layer: nn.Linear | nn.BatchNorm1d
    if "running_mean" in parts:
        layer = nn.BatchNorm1d(len(parts["running_mean"]))
    elif "weight" in parts and parts["weight"].ndim == 2:
        outputs, inputs = parts["weight"].shape
        layer = nn.Linear(inputs, outputs, bias="bias" in parts)
    else:
        raise ValueError(f"it has a layer of {', '.join(parts)}, neither linear nor a batch norm")
    layer.load_state_dict(parts)
    return layer

"""LPIPS as rows (arXiv:1801.03924, version 0.1 on AlexNet): a distance that needs no pairs.

LPIPS is Σ over layers of the mean over places of Σ w·(a − b)², with a and b of unit length over
channels and w never negative. So it is the squared distance of rows √(w / places)·a.
"""

from __future__ import annotations

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import AlexNet_Weights
from torchvision.transforms import v2

from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.sketch import sketch
from harness.extractors.specs import Lpips
from harness.extractors.weights import UNLOADABLE, absent
from harness.interfaces import Network

_RELUS = (1, 4, 7, 9, 11)
"""After which of AlexNet's layers LPIPS looks."""
_FETCH = "python -c \"import torchvision; torchvision.models.alexnet(weights='DEFAULT')\""


def activations(spec: Lpips, device: str) -> Network:
    """See the weighted activations of five layers, sketched."""
    layers, weights, scale = (part.to(device) for part in network(spec.weights))
    resize = v2.Resize((spec.side, spec.side), antialias=True)
    share = v2.ToDtype(torch.float32, scale=True)

    def run(levels: Tensor) -> Tensor:
        shown = share(planes(levels))
        rows = weighted(scale(shown * 2 - 1), layers, weights)
        return torch.from_numpy(sketch(rows.float().cpu().numpy()))

    return split(lambda picture: bytes_of(resize(picture.convert("RGB"))), run, device)


def weighted(shown: Tensor, layers: torch.nn.Module, weights: torch.nn.Module) -> Tensor:
    """Return rows whose squared distance is LPIPS, exactly; as long as the layers are large."""
    rows: list[Tensor] = []
    for number, layer in enumerate(layers.children()):
        shown = layer(shown)
        if number in _RELUS:
            weight = next(list(weights.children())[len(rows)].parameters()).flatten()
            places = shown.shape[2] * shown.shape[3]
            unit = F.normalize(shown, dim=1, eps=1e-8)
            rows.append((unit * (weight / places).sqrt()[:, None, None]).flatten(1))
    return torch.cat(rows, 1)


def network(weights: str | None) -> tuple[torch.nn.Module, torch.nn.Module, torch.nn.Module]:
    """Return AlexNet's layers, LPIPS's weights of them, and how it scales colours."""
    judge = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    alex = torchvision.models.alexnet(weights=None).features
    try:
        alex.load_state_dict(_alexnet(weights))
    except UNLOADABLE as error:
        name = weights or "of torchvision"
        raise absent("AlexNet's weights", name, error, _FETCH) from error
    return alex.eval(), torch.nn.ModuleList(judge.lins).eval(), judge.scaling_layer.eval()


def _alexnet(name: str | None) -> dict[str, Tensor]:
    """Return the weights of AlexNet's convolutions; LPIPS reads nothing behind them."""
    weights: dict[str, Tensor] = (
        load_file(name)
        if name is not None
        else (
            AlexNet_Weights.IMAGENET1K_V1.get_state_dict(
                progress=False, check_hash=True, weights_only=True
            )
        )
    )
    front = "features."
    return {
        key.removeprefix(front): value for key, value in weights.items() if key.startswith(front)
    }

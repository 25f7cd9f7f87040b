"""Feature maps of image classifiers in the transformers format, between the stem and the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.errors import ScoringError
from harness.extractors.classifier import load_classifier
from harness.extractors.sketch import sketch
from harness.extractors.specs import Gram, Maps
from harness.interfaces import Network, Rows

Look = Callable[[Sequence[Image.Image]], list[Tensor]]


def maps(spec: Maps, device: str) -> Network:
    """See one layer averaged on a grid, where on the grid being part of what is seen."""
    look = _looking(spec, device)

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        layers = look(pictures)
        if not -len(layers) <= spec.layer < len(layers):
            raise ScoringError(f"{spec.model} has {len(layers)} layers of maps, no {spec.layer}")
        coarse = F.adaptive_avg_pool2d(layers[spec.layer], spec.grid).flatten(1)
        return {"images": sketch(coarse.float().cpu().numpy())}

    return Network(see)


def gram(spec: Gram, device: str) -> Network:
    """See the Gram matrix of every layer, each at unit length (arXiv:1508.06576, section 2.2)."""
    look = _looking(spec, device)

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        together = torch.cat([unit_gram(layer) for layer in look(pictures)], 1)
        return {"images": sketch(together.float().cpu().numpy())}

    return Network(see)


def unit_gram(layer: Tensor) -> Tensor:
    """Return B × C² products of a layer's channels, averaged over places; each row of unit length.

    Without its length a matrix says which features go together, and not how much contrast a
    picture has.
    """
    features = layer.flatten(2)
    return F.normalize((features @ features.transpose(1, 2)).flatten(1), dim=1)


def _looking(spec: Maps | Gram, device: str) -> Look:
    """Return the function that gives the maps of every layer, B × C × H × W each."""
    model, prepare = load_classifier(spec.model, device, spec.revision)

    def look(pictures: Sequence[Image.Image]) -> list[Tensor]:
        seen: Any = model.base_model(prepare(pictures), output_hidden_states=True)
        layers = [layer for layer in seen.hidden_states or () if layer.ndim == 4]
        if not layers:
            raise ScoringError(
                f"{spec.model} has no feature maps",
                hint="name a convolutional classifier, as ResNet",
            )
        return layers

    return look

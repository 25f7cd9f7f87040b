"""Image-classification models in the transformers format: pooled features, or one label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.utils import logging as transformers_logging

from harness.errors import ScoringError
from harness.extractors import onednn
from harness.extractors.hub import revision_of
from harness.extractors.specs import AestheticModel, Classifier
from harness.extractors.weights import UNLOADABLE, absent, load_whole
from harness.interfaces import Network, Rows
from harness.pocket import locate

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def pooled(spec: Classifier, device: str) -> Network:
    """See the model's pooled vector; of one that pools nothing, what its last layer reads."""
    model, look = _quick(spec, device)
    outputs: list[Any] = []
    inputs: list[Tensor] = []
    model.base_model.register_forward_hook(lambda _, given, made: outputs.append(made))
    for layer in _last_layers(model)[-1:]:
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))

    def run(batch: Sequence[Image.Image]) -> Tensor:
        outputs.clear()
        inputs.clear()
        model(look(batch))
        pooled = getattr(outputs[0], "pooler_output", None)
        if pooled is None and not inputs:
            raise ScoringError(
                f"{spec.model} has no pooled features, and no linear layer at its end",
                hint="name a classifier such as a ResNet or a ViT",
            )
        return (inputs[0] if pooled is None else pooled).flatten(1)

    return Network(_seen(run))


def _last_layers(model: Any) -> list[nn.Linear]:
    """Return the linear layers that give one number a label."""
    return [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == model.config.num_labels
    ]


def probability(spec: AestheticModel, device: str) -> Network:
    """See N × 1: the probability of the label."""
    model, look = _quick(spec, device)
    labels = {str(name): int(index) for index, name in model.config.id2label.items()}
    if spec.label not in labels:
        raise ScoringError(
            f"{spec.model} has no label {spec.label!r}", hint=f"known: {', '.join(labels)}"
        )
    at = labels[spec.label]
    return Network(_seen(lambda batch: model(look(batch)).logits.softmax(-1)[:, [at]]))


def _seen(run: Callable[[Sequence[Image.Image]], Tensor]) -> Callable[..., Rows]:
    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        return {"images": run(pictures).float().cpu().numpy()}

    return see


def _quick(spec: Classifier | AestheticModel, device: str) -> tuple[Any, Any]:
    """Return a classifier whose linear layers, all but the last, are oneDNN's on a CPU."""
    model, look = load_classifier(spec.model, device, spec.revision)
    if spec.engine() and onednn.serves(device):
        onednn.quicken(model.base_model)
    return model, look


def load_classifier(name: str, device: str, revision: str | None = None) -> tuple[Any, Any]:
    """Return a classifier in fp32 and the function that turns pictures into its input."""
    at = revision_of(name, revision)
    try:
        model = load_whole(
            AutoModelForImageClassification,
            locate(name),
            dtype=torch.float32,
            trust_remote_code=False,
            revision=at,
        )
        processor = AutoImageProcessor.from_pretrained(
            locate(name), trust_remote_code=False, revision=at
        )
    except UNLOADABLE as error:
        raise absent("the classifier", name, error) from error
    model.to(device).eval()

    def look(batch: Sequence[Image.Image]) -> Tensor:
        return processor(list(batch), return_tensors="pt").pixel_values.to(device)  # type: ignore[no-any-return]

    return model, look

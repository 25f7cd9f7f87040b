"""Image-classification models in the transformers format: pooled features, or one label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.utils import logging as transformers_logging

from harness.errors import ScoringError
from harness.extractors.specs import AestheticModel, Classifier
from harness.extractors.weights import absent
from harness.interfaces import Network, Rows
from harness.pocket import locate

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def pooled(spec: Classifier, device: str) -> Network:
    """See the vector that the model's last layer reads, one a picture."""
    model, look = load_classifier(spec.model, device)
    return Network(_seen(lambda batch: model.base_model(look(batch)).pooler_output.flatten(1)))


def probability(spec: AestheticModel, device: str) -> Network:
    """See N × 1: the probability of the label."""
    model, look = load_classifier(spec.model, device)
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


def load_classifier(name: str, device: str) -> tuple[Any, Any]:
    """Return a classifier in fp32 and the function that turns pictures into its input."""
    try:
        model = AutoModelForImageClassification.from_pretrained(
            locate(name), dtype=torch.float32, trust_remote_code=False
        )
        processor = AutoImageProcessor.from_pretrained(locate(name), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise absent("the classifier", name, error) from error
    model.to(device).eval()

    def look(batch: Sequence[Image.Image]) -> Tensor:
        return processor(list(batch), return_tensors="pt").pixel_values.to(device)  # type: ignore[no-any-return]

    return model, look

"""Image-classification models in the transformers format: pooled features, or one label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.utils import logging as transformers_logging

from harness.errors import MissingPrerequisite, ScoringError
from harness.extractors.images import in_batches
from harness.extractors.specs import AestheticModel, Classifier
from harness.interfaces import Workplace
from harness.pocket import locate

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def pooled(
    spec: Classifier, images: Iterable[Image.Image], texts: Sequence[str], place: Workplace
) -> dict[str, NDArray[np.float32]]:
    """Return the vector that the model's last layer reads, one a picture."""
    model, look = load_classifier(spec.model, place.device)
    base = model.base_model

    def run(batch: list[Image.Image]) -> Tensor:
        output = base(look(batch))
        return output.pooler_output.flatten(1)  # type: ignore[no-any-return]

    return {"images": in_batches(images, len(texts), place, run).numpy()}


def probability(
    spec: AestheticModel, images: Iterable[Image.Image], texts: Sequence[str], place: Workplace
) -> dict[str, NDArray[np.float32]]:
    """Return N × 1: the probability of the label."""
    model, look = load_classifier(spec.model, place.device)
    labels = {str(name): int(index) for index, name in model.config.id2label.items()}
    if spec.label not in labels:
        raise ScoringError(
            f"{spec.model} has no label {spec.label!r}", hint=f"known: {', '.join(labels)}"
        )
    at = labels[spec.label]
    rows = in_batches(
        images, len(texts), place, lambda batch: model(look(batch)).logits.softmax(-1)[:, [at]]
    )
    return {"images": rows.numpy()}


def load_classifier(name: str, device: str) -> tuple[Any, Any]:
    """Return a classifier in fp32 and the function that turns pictures into its input."""
    try:
        model = AutoModelForImageClassification.from_pretrained(
            locate(name), dtype=torch.float32, trust_remote_code=False
        )
        processor = AutoImageProcessor.from_pretrained(locate(name), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise MissingPrerequisite(
            f"the classifier {name} cannot be loaded: {str(error).splitlines()[0][:160]}",
            hint="check the name and the network",
        ) from error
    model.to(device).eval()

    def look(batch: list[Image.Image]) -> Tensor:
        return processor(batch, return_tensors="pt").pixel_values.to(device)  # type: ignore[no-any-return]

    return model, look

"""The Inception network of the TTUR papers, as torch-fidelity carries it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from harness.errors import MissingPrerequisite
from harness.extractors.images import in_batches
from harness.extractors.specs import Inception
from harness.interfaces import Workplace


def inception(
    spec: Inception, images: Iterable[Image.Image], texts: Sequence[str], place: Workplace
) -> dict[str, NDArray[np.float32]]:
    """Return the features of one layer; resizing is TF1's bilinear, inside the network."""
    network = _network(spec).to(place.device).eval()

    def run(batch: list[Image.Image]) -> Tensor:
        rows = []
        for image in batch:  # images may differ in size, and the network resizes each
            pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
            rows.append(network(pixels.to(place.device))[0])
        return torch.cat(rows)

    return {"images": in_batches(images, len(texts), place, run).numpy()}


def _network(spec: Inception) -> Any:
    try:
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", [spec.layer], feature_extractor_weights_path=spec.weights
        )
    except (OSError, RuntimeError) as error:
        raise MissingPrerequisite(
            f"the Inception weights cannot be loaded: {str(error).splitlines()[0][:160]}",
            hint="check the network, or give a local file as features.weights",
        ) from error

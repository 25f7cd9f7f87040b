"""The Inception network of the TTUR papers, as torch-fidelity carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from harness.extractors.specs import Inception
from harness.extractors.weights import absent
from harness.interfaces import Network, Rows

_FETCH = (
    'python -c "from torch_fidelity.feature_extractor_inceptionv3 import *; '
    "FeatureExtractorInceptionV3('inception-v3-compat', ['2048'])\""
)


def inception(spec: Inception, device: str) -> Network:
    """See the features of one layer; resizing is TF1's bilinear, inside the network."""
    network = _network(spec).to(device).eval()

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        rows = []
        for image in pictures:  # images may differ in size, and the network resizes each
            pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
            rows.append(network(pixels.to(device))[0])
        return {"images": torch.cat(rows).float().cpu().numpy()}

    return Network(see)


def _network(spec: Inception) -> Any:
    try:
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", [spec.layer], feature_extractor_weights_path=spec.weights
        )
    except (OSError, RuntimeError) as error:
        raise absent(
            "the Inception weights", spec.weights or "of torch-fidelity", error, _FETCH
        ) from error

"""CLIP score: how well an image matches its prompt, 100 × cosine of the embeddings."""

from __future__ import annotations

import numpy as np

from harness.interfaces import FeatureSet, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.specs import ClipScore


def clip_score(spec: ClipScore, own: FeatureSet, reference: FeatureSet | None) -> Measurement:
    """Return the mean over images; the prompt is the one asked for, without a recipe's trigger."""
    assert own.texts is not None
    each = 100 * (own.images * own.texts).sum(1)
    each /= np.linalg.norm(own.images, axis=1) * np.linalg.norm(own.texts, axis=1)
    return mean_of(each, own)

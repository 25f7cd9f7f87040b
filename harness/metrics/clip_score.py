"""CLIP score: how well an image matches its prompt, 100 × cosine of the embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.specs.prompt import ClipScore


def clip_score(spec: ClipScore, evidence: Evidence) -> Measurement:
    """Return the mean over images; the prompt is the one asked for, without a recipe's trigger."""
    each = cosines(evidence.own)
    worth = 2.5 * np.maximum(each, 0) if spec.form == "paper" else 100 * each
    return replace(mean_of(worth, evidence.own), notes=cut_prompts(evidence.own))


def cosines(own: FeatureSet) -> Array:
    """Return the cosine of each image and its prompt; 0 where either is a row of zeros."""
    assert own.texts is not None
    lengths = np.linalg.norm(own.images, axis=1) * np.linalg.norm(own.texts, axis=1)
    products = (own.images * own.texts).sum(1)
    return np.asarray(products / np.where(lengths > 0, lengths, 1), np.float64)


def cut_prompts(own: FeatureSet) -> tuple[str, ...]:
    """Say how many prompts the text encoder saw only the beginning of."""
    if "cut" not in own.more:
        return ()
    cut = own.more["cut"][:, 0]
    prompts = {prompt for prompt, short in zip(own.prompts, cut, strict=True) if short}
    return (f"{len(prompts)} of {len(set(own.prompts))} prompts are cut",) if prompts else ()

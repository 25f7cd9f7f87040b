"""CLIP score: how well an image matches its prompt, 100 × cosine of the embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.specs.prompt import ClipScore


def clip_score(spec: ClipScore, evidence: Evidence) -> Measurement:
    """Return the mean over images; the prompt is the one asked for, without a recipe's trigger."""
    own = evidence.own
    assert own.texts is not None
    each = (own.images * own.texts).sum(1)
    each /= np.linalg.norm(own.images, axis=1) * np.linalg.norm(own.texts, axis=1)
    worth = 2.5 * np.maximum(each, 0) if spec.form == "paper" else 100 * each
    return replace(mean_of(worth, own), notes=_cut(own))


def _cut(own: FeatureSet) -> tuple[str, ...]:
    """Say how many prompts the text encoder saw only the beginning of."""
    cut: Array | None = own.more.get("cut")
    prompts = {prompt for prompt, short in zip(own.prompts, cut[:, 0], strict=True) if short} \
        if cut is not None else set()  # fmt: skip
    return (f"{len(prompts)} of {len(set(own.prompts))} prompts are cut",) if prompts else ()

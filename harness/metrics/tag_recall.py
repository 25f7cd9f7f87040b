"""Tag recall: does a tagger see in an image the tags that its prompt asks for?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of, refused
from harness.metrics.specs.prompt import TagRecall


def tag_recall(spec: TagRecall, evidence: Evidence) -> Measurement:
    """Return the mean share of asked tags that are seen, over images whose prompt asks for any."""
    own = evidence.own
    each = shares(own, spec.features.certain if spec.threshold is None else spec.threshold)
    if np.isnan(each).all():
        return refused(len(own), "no prompt asks for a tag that the tagger knows")
    known = own.take(np.flatnonzero(np.isfinite(each)))
    return replace(
        mean_of(each[np.isfinite(each)], known),
        samples=each,
        prompt_ids=tuple(dict.fromkeys(known.prompt_ids)),
        notes=_silent(each, own),
    )


def shares(own: FeatureSet, threshold: float) -> Array:
    """Return the share of its asked tags that each image shows; NaN where none is asked for."""
    assert own.texts is not None
    asked = own.texts > 0
    seen = (own.images > threshold) & asked
    count = asked.sum(1)
    return np.where(count > 0, seen.sum(1) / np.maximum(count, 1), np.nan)


def _silent(each: Array, own: FeatureSet) -> tuple[str, ...]:
    """Say how many prompts ask for no tag that the tagger knows."""
    prompts = {name for name, share in zip(own.prompt_ids, each, strict=True) if np.isnan(share)}
    count = f"{len(prompts)} of {len(set(own.prompt_ids))} prompts ask for no known tag"
    return (count,) if prompts else ()

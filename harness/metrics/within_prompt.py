"""Diversity within prompts: how much the images of one prompt differ from seed to seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import NO_PROMPTS, of_pseudo, refused
from harness.metrics.likeness import unit
from harness.metrics.specs.diversity import LpipsWithin, WithinPrompt
from harness.metrics.statistics.jackknife import clusters


def within_prompt(spec: WithinPrompt, evidence: Evidence) -> Measurement:
    """Return the mean over prompts of the mean of 1 − cosine over pairs of seeds."""
    return over_prompts(evidence.own, lambda rows: pairwise(unit(rows)) / 2)


def lpips_within(spec: LpipsWithin, evidence: Evidence) -> Measurement:
    """Return the mean over prompts of the mean LPIPS over pairs of seeds."""
    return over_prompts(evidence.own, pairwise)


def pairwise(rows: Array) -> float:
    """Return the mean squared distance of pairs of rows: twice their unbiased variance."""
    return float(2 * np.square(rows - rows.mean(0)).sum() / (len(rows) - 1))


def over_prompts(own: FeatureSet, statistic: Callable[[Array], float]) -> Measurement:
    """Return the mean of a statistic of each prompt's images, prompts of one image left out."""
    cluster = clusters(own.prompt_ids)
    several = np.flatnonzero(np.bincount(cluster) > 1)
    if len(several) == 0:
        return refused(len(own), "needs 2 seeds a prompt: it compares images of one prompt")
    if len(several) == 1:
        return refused(len(own), NO_PROMPTS)
    values = np.array([statistic(own.images[cluster == number]) for number in several])
    n = int(np.isin(cluster, several).sum())
    measured = of_pseudo(float(values.mean()), values, n)
    names = list(dict.fromkeys(own.prompt_ids))
    kept = tuple(names[number] for number in several)
    left = len(names) - len(kept)
    notes = (f"{left} of {len(names)} prompts have one image and are left out",) if left else ()
    return Measurement(
        measured.value, measured.low, measured.high, n, prompts=values, prompt_ids=kept, notes=notes
    )

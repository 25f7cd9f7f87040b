"""Broken images: what a spoiled adapter draws, neither in the style nor as its base draws.

Distance alone does not tell: a good adapter of a small base lies as far from both sets as a smear
does, and among varied pictures a smear lies no farther off than the oddest of them. What tells is
the direction: a linear probe learns where damage leads from the reference, and finds damage that
it never saw. How far sound pictures come that way is its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.copying import beyond
from harness.metrics.intervals import refused, share_of
from harness.metrics.specs.broken import Broken

LEAST = 20
"""Reference pictures that a probe needs."""
MOST = 500
"""Pictures of one side that a probe learns from: more cost time, and tell it nothing new."""
FOLDS = 5
CERTAIN = 0.2
"""What the probe must say at least; the middle is 0, and damage that it learned from is near 1."""
AS_IT_IS = "none"
"""The kind of damage that is none, of pictures that were made smaller like the damaged ones."""
FLAG = "draws broken pictures"
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Probe:
    """A direction from sound pictures to damaged ones: −1 is as sound as most, 1 as damaged."""

    middle: Array
    spread: Array
    direction: Array

    def __call__(self, images: Array) -> Array:
        told: Array = (images - self.middle) / self.spread @ self.direction
        return told


@dataclass(frozen=True)
class Examples:
    """What a probe learns from."""

    images: Array
    is_damaged: Rows
    folds: NDArray[np.int64]
    """Rows of one fold are learned together or not at all; a picture is in one with its damage."""
    sides: tuple[slice, ...]
    """Where the pictures of each sound side are."""


def broken(spec: Broken, evidence: Evidence) -> Measurement:
    """Return the share of images that are more surely damaged than sound pictures ever are."""
    own, reference, damaged = evidence.own, evidence["reference"], evidence["damaged"]
    if len({*reference.prompt_ids}) < LEAST or len({*damaged.prompt_ids}) < FOLDS:
        counts = f"has {len({*reference.prompt_ids})}, {len({*damaged.prompt_ids})} of them damaged"
        return refused(len(own), f"needs {LEAST} reference pictures; {counts}")
    base = evidence.sides.get("base")
    sound = [reference, *([base] if base is not None and len(base) else [])]
    examples = examples_of(sound, damaged)
    threshold = max(CERTAIN, *(beyond(each, spec.percentile) for each in _null(examples)))
    is_broken = fit(examples)(own.images) > threshold
    share = share_of(is_broken, own)
    certain = share.low is not None and share.low > spec.tolerated
    said = f"{is_broken.sum()} of {len(own)} images are more surely damaged than the reference"
    if len(sound) == 1:  # another style may lie that way too, and is not broken
        note = f"{said}; no base is there, so sound pictures in another style may count, unflagged"
        return replace(share, notes=(note,))
    return replace(share, flag=FLAG if certain else None, notes=(f"{said} or the base",))


def examples_of(sound: Sequence[FeatureSet], damaged: FeatureSet) -> Examples:
    """Return the pictures of all sets, no more than a probe can learn from."""
    kept = [each.take(_some(len(each))) for each in sound]
    sets = [*kept, damaged]
    names = [name for each in sets for name in each.prompt_ids]
    ends = np.cumsum([0, *map(len, kept)])
    kinds = [AS_IT_IS] * int(ends[-1]) + list(damaged.prompts)
    return Examples(
        images=np.concatenate([each.images for each in sets]),
        is_damaged=np.array([kind != AS_IT_IS for kind in kinds]),
        folds=_folds(names),
        sides=tuple(slice(int(a), int(b)) for a, b in pairwise(ends)),
    )


def _some(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(np.int64))


def _folds(names: Sequence[str]) -> NDArray[np.int64]:
    order = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] % FOLDS for name in names], np.int64)


def _null(examples: Examples) -> list[Array]:
    """Return what probes say of each side's sound pictures that did not learn from them."""
    told = np.empty(len(examples.images))
    for fold in range(FOLDS):
        held = examples.folds == fold
        if held.any():
            told[held] = fit(examples, ~held)(examples.images[held])
    return [told[side] for side in examples.sides]


def fit(examples: Examples, rows: Rows | None = None) -> Probe:
    """Return the probe of some rows: ridge regression in which both classes weigh alike.

    Its penalty is the mean squared length of a row, so that no unit or number of features matters.
    """
    taken = np.ones(len(examples.images), np.bool_) if rows is None else rows
    images, is_damaged = examples.images[taken], examples.is_damaged[taken]
    share = is_damaged.mean()
    weights = np.where(is_damaged, 0.5 / share, 0.5 / (1 - share))
    middle = np.average(images, 0, weights)
    spread = np.sqrt(np.average(np.square(images - middle), 0, weights))
    spread += 1e-3 * spread.mean() + np.finfo(np.float64).tiny
    scaled = (images - middle) / spread * np.sqrt(weights)[:, None]
    wanted = np.where(is_damaged, 1.0, -1.0) * np.sqrt(weights)
    inner = scaled @ scaled.T
    penalty = inner.trace() / len(inner)
    solved = np.linalg.solve(inner + max(penalty, 1e-9) * np.eye(len(inner)), wanted)
    return Probe(middle, spread, scaled.T @ solved)

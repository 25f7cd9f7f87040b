"""Style probe: how surely images are taken for this artist's, and not for any decoy.

A decoy is a picture that is not in the artist's style: of another artist, of the bare base, or a
real picture that was spoiled. A linear discriminant learns to tell the reference from them. It is
cross-fitted: every picture is judged by one that saw neither it nor others of its prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from harness.fingerprint import number_of
from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.discriminant import Odds, calibrated, discriminant
from harness.metrics.intervals import mean_of, refused
from harness.metrics.specs.style import StyleProbe
from harness.metrics.statistics.intervals import Ends
from harness.metrics.statistics.ranks import auc

SPOILED: tuple[Literal["blur", "noise", "smears"], ...] = ("blur", "noise", "smears")
"""Kinds of decoys that are the reference's own pictures, spoiled."""
FOLDS = 5
REFERENCE, DECOYS = 20, 10
"""Pictures of the reference, and of each kind of decoy, that it needs."""
TOLD = 0.6
"""The probe must surely tell held-out real pictures from each kind of decoy better than so: at 0.5
it would guess."""


@dataclass(frozen=True)
class Held:
    """Log odds of being the artist's, each by a probe that did not see the picture."""

    real: Array
    decoys: Mapping[str, Array]
    own: Array


def style_probe(spec: StyleProbe, evidence: Evidence) -> Measurement:
    """Return the mean probability that an image is the artist's; the probe is held fixed."""
    own, reference, decoys = evidence.own, evidence["reference"], evidence["decoys"]
    kinds = by_kind(decoys)
    reason = _refusal(reference, kinds)
    if reason is not None:
        return refused(len(own), reason)
    held = cross_fitted(reference, kinds, own)
    told = {
        kind: auc(held.real, held.decoys[kind], reference.prompt_ids, rows.prompt_ids)
        for kind, rows in kinds.items()
    }
    hardest = min(told, key=lambda kind: told[kind])
    doubtful = [kind for kind, (_, low, _) in told.items() if low <= TOLD]
    if doubtful:
        kind = min(doubtful, key=lambda kind: told[kind])
        what = f"it does not surely tell this artist from {kind}: {_worded(told[kind])}"
        return refused(len(own), f"unavailable for this artist: {what}")
    line = calibration(held)
    measured = mean_of(np.asarray(scipy.special.expit(line(held.own))), own)
    real = float(scipy.special.expit(line(held.real)).mean())
    notes = (f"real pictures come to {real:.2f}; hardest: {hardest}, {_worded(told[hardest])}",)
    if measured.low is None or measured.high is None:
        return replace(measured, notes=notes)
    return replace(measured, low=max(0.0, measured.low), high=min(1.0, measured.high), notes=notes)


def by_kind(decoys: FeatureSet) -> dict[str, FeatureSet]:
    """Return the decoys of each kind, which is what their words say."""
    kinds = np.array(decoys.prompts)
    return {kind: decoys.take(np.flatnonzero(kinds == kind)) for kind in sorted(set(kinds))}


def _refusal(reference: FeatureSet, kinds: Mapping[str, FeatureSet]) -> str | None:
    """Return why no probe can be fitted, if so."""
    if set(kinds) <= set(SPOILED):
        return "needs pictures in another style: the bare base's, or sets named under decoys"
    for name, there, least in (
        ("reference pictures", reference, REFERENCE),
        *((f"decoys of {kind}", rows, DECOYS) for kind, rows in kinds.items()),
    ):
        if len(there) < least:
            return f"needs {least} {name}, has {len(there)}"
        if len(set(folds(there.prompt_ids))) < FOLDS:
            return f"the {name} are of too few prompts to be parted in {FOLDS}"
    return None


def folds(names: Sequence[str]) -> list[int]:
    """Return the fold of each row; rows of one name are in one, in whatever set they are."""
    return [number_of("fold", name) % FOLDS for name in names]


def cross_fitted(reference: FeatureSet, kinds: Mapping[str, FeatureSet], own: FeatureSet) -> Held:
    """Return what each picture is taken for by the probe that was fitted without its fold."""
    sets = [reference, *kinds.values(), own]
    where = [np.array(folds(each.prompt_ids), np.int64) for each in sets]
    odds = [np.empty(len(each)) for each in sets]
    for fold in range(FOLDS):
        held: list[NDArray[np.bool_]] = [at == fold for at in where]
        classes = [each.images[~out] for each, out in zip(sets[:-1], held[:-1], strict=True)]
        probe = discriminant(classes)
        for values, each, out in zip(odds, sets, held, strict=True):
            values[out] = probe(each.images[out])
    return Held(odds[0], dict(zip(kinds, odds[1:-1], strict=True)), odds[-1])


def calibration(held: Held) -> Odds:
    """Return log odds as they come true among held-out real pictures and other styles.

    Real pictures weigh as much as all others, and each other style as much as another. Spoiled
    pictures have no part in it: they are so far away that they would make all others seem likely.
    """
    others = [odds for kind, odds in held.decoys.items() if kind not in SPOILED]
    groups = [held.real, *others]
    shares = [0.5, *[0.5 / len(others)] * len(others)]
    weights = [
        np.full(len(each), share / len(each)) for each, share in zip(groups, shares, strict=True)
    ]
    odds = np.concatenate(groups)
    return calibrated(odds, np.arange(len(odds)) < len(held.real), np.concatenate(weights))


def _worded(ends: Ends) -> str:
    value, low, high = ends
    return f"AUC {value:.2f} [{low:.2f}, {high:.2f}]"

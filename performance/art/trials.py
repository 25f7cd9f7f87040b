"""What a metric answers on real art whose artist is known: separation, power, null, order.

The reference is what one artist drew of the first half of all concepts. What is judged shows the
second half: drawn by the same artist, or by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, FeatureSet, Measurement, MetricSpec, Side
from harness.metrics.intervals import mean_of
from harness.metrics.statistics.intervals import difference_of, half_width, t_quantile
from harness.metrics.statistics.ranks import auc
from harness.pipeline.stages.score import measure

Rows = NDArray[np.int64]
Ends = tuple[float, float, float]
Others = Literal["named", "alone", "stranger"]
"""Which other artists a probe knew: all, the one that is judged alone, or all but that one."""
SETS, SMALL = 4, 50
"""How many sets of how many pictures stand for an artist where one picture has no value."""
DRAWS = 3
NULLS = 10
MIXED = 100
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Drawn:
    """One artist's features: of concepts that were seen, of unseen ones, and spoiled."""

    seen: FeatureSet
    unseen: FeatureSet
    spoiled: FeatureSet | None = None


@dataclass(frozen=True)
class Meter:
    """A metric with the drawings of all artists in its features."""

    spec: MetricSpec
    art: Mapping[str, Drawn]
    by_image: bool
    """Whether it gives every image a value of its own, whatever other images there are."""
    others: Others = "named"
    samples: dict[tuple[str, str, str], Array] = field(default_factory=dict)
    """The values of all unseen drawings, by artist, judged artist, and what was known."""

    def answer(self, artist: str, judged: str, rows: Rows, beside: str = "") -> Measurement:
        """Return what it says of some unseen drawings; `beside` is whom the artist is told from."""
        own = self.art[judged].unseen
        if not self.by_image:
            return self._asked(artist, own.take(rows), beside)
        known = beside if self.others != "named" else ""
        key = artist, judged, known
        if key not in self.samples:
            whole = self._asked(artist, own, beside)
            if whole.samples is None:
                return whole
            self.samples[key] = whole.samples
        return mean_of(self.samples[key][rows], own.take(rows))

    def each(self, artist: str, judged: str, beside: str) -> Array | None:
        """Return the value of every unseen drawing, if it has such values."""
        rows = np.arange(len(self.art[judged].unseen))
        return self.answer(artist, judged, rows, beside).samples if self.by_image else None

    def _asked(self, artist: str, own: FeatureSet, beside: str) -> Measurement:
        sides: dict[Side, FeatureSet] = {"reference": self.art[artist].seen}
        if "decoys" in self.spec.reads:
            sides["decoys"] = joined([*self._styles(artist, beside)])
        return measure(self.spec, own, sides)

    def _styles(self, artist: str, beside: str) -> Iterator[FeatureSet]:
        spoiled = self.art[artist].spoiled
        assert spoiled is not None
        yield spoiled
        for name, drawn in self.art.items():
            is_known = {"named": True, "alone": name == beside, "stranger": name != beside}
            if name != artist and is_known[self.others]:
                yield labelled(drawn.seen, name)


def labelled(rows: FeatureSet, kind: str) -> FeatureSet:
    """Return decoys whose words say their kind."""
    return FeatureSet(rows.images, [kind] * len(rows), rows.prompt_ids, rows.seeds)


def joined(sets: Sequence[FeatureSet]) -> FeatureSet:
    return FeatureSet(
        np.concatenate([each.images for each in sets]),
        [prompt for each in sets for prompt in each.prompts],
        [name for each in sets for name in each.prompt_ids],
        [seed for each in sets for seed in each.seeds],
    )


def pairs_of(meter: Meter) -> list[tuple[str, str]]:
    """Return every artist with every other."""
    return [(one, other) for one in meter.art for other in meter.art if one != other]


def drawn_rows(count: int, size: int, seed: int) -> Rows:
    """Return `size` of `count` rows."""
    return np.random.default_rng([size, seed]).permutation(count)[:size].astype(np.int64)


def image_auc(meter: Meter) -> dict[tuple[str, str], float]:
    """Return for each pair how often a picture of the artist comes before one of the other."""
    found = {}
    for artist, other in pairs_of(meter):
        own, theirs = (meter.each(artist, name, other) for name in (artist, other))
        if own is not None and theirs is not None:
            sign = 1 if meter.spec.higher_is_better else -1
            found[artist, other] = auc(sign * own, sign * theirs)[0]
    return found


def set_auc(meter: Meter) -> dict[tuple[str, str], float]:
    """Return the same for sets of `SMALL` pictures, of which there are `SETS` on either side."""
    found = {}
    for artist, other in pairs_of(meter):
        groups = []
        for name in (artist, other):
            count = len(meter.art[name].unseen)
            rows = [drawn_rows(count, SMALL, seed) for seed in range(SETS)]
            said = [meter.answer(artist, name, each, other).value for each in rows]
            groups.append(np.array([value for value in said if value is not None]))
        if all(map(len, groups)):
            sign = 1 if meter.spec.higher_is_better else -1
            found[artist, other] = auc(sign * groups[0], sign * groups[1])[0]
    return found


def over_artists(values: Mapping[tuple[str, str], float]) -> Ends | None:
    """Return the mean of the artists' means with its interval by t: another artist may be drawn."""
    artists = sorted({artist for artist, _ in values})
    if len(artists) < 2:
        return None
    each = np.array(
        [np.mean([value for pair, value in values.items() if pair[0] == name]) for name in artists]
    )
    reach = float(t_quantile(len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each)))
    value = float(each.mean())
    return value, value - reach, min(1.0, value + reach)


def power(meter: Meter, size: int) -> float | None:
    """Return how often it is sure that as many pictures of another artist are worse.

    Both drew the same concepts, so prompts are paired, as a recipe's and the base's are.
    """
    found = [
        is_worse(
            meter.answer(artist, artist, rows, other),
            meter.answer(artist, other, rows, other),
            meter.spec.higher_is_better,
        )
        for artist, other in pairs_of(meter)
        for rows in (
            drawn_rows(len(meter.art[artist].unseen), size, 100 + draw) for draw in range(DRAWS)
        )
    ]
    told = [each for each in found if each is not None]
    return float(np.mean(told)) if told else None


def is_worse(own: Measurement, other: Measurement, rises: bool) -> bool | None:
    """Return whether the second is surely worse than the first, prompt by prompt."""
    if own.value is None or other.value is None or own.prompts is None or other.prompts is None:
        return None
    harm = (own.value - other.value) * (1 if rises else -1)
    return bool(harm > half_width(other.prompts - own.prompts))


def null(meter: Meter, size: int) -> tuple[int, int]:
    """Return how often two sets of one artist are told apart, and of how many pairs of sets."""
    found = tried = 0
    for at, artist in enumerate(meter.art):
        beside = list(meter.art)[at - 1]
        count = len(meter.art[artist].unseen)
        for draw in range(NULLS):
            rows = drawn_rows(count, 2 * size, 200 + draw)
            one, two = (meter.answer(artist, artist, half, beside) for half in np.split(rows, 2))
            if one.value is None or two.value is None:
                continue
            assert one.low is not None
            assert one.high is not None
            assert two.low is not None
            assert two.high is not None
            ends = (one.value, one.low, one.high), (two.value, two.low, two.high)
            _, low, high = difference_of(*ends)
            tried += 1
            found += not low <= 0 <= high
    return found, tried


def in_order(meter: Meter) -> float | None:
    """Return the share of pairs in which every quarter of right pictures more is found better."""
    kept = []
    for artist, other in pairs_of(meter):
        values = [_mixed(meter, artist, other, share) for share in SHARES]
        if any(value is None for value in values):
            continue
        sign = 1 if meter.spec.higher_is_better else -1
        kept.append(
            all((b - a) * sign > 0 for a, b in pairwise(v for v in values if v is not None))
        )
    return float(np.mean(kept)) if kept else None


def _mixed(meter: Meter, artist: str, other: str, share: float) -> float | None:
    """Return the value of drawings of which a share, evenly spread, is the artist's."""
    rows = drawn_rows(len(meter.art[artist].unseen), MIXED, 300)
    right = np.floor((np.arange(MIXED) + 1) * share) > np.floor(np.arange(MIXED) * share)
    if meter.by_image:
        own, theirs = (meter.each(artist, name, other) for name in (artist, other))
        if own is None or theirs is None:
            return None
        return float(np.where(right, own[rows], theirs[rows]).mean())
    one, two = (meter.art[name].unseen.take(rows) for name in (artist, other))
    images = np.where(right[:, None], one.images, two.images)
    mixed = FeatureSet(images, one.prompts, one.prompt_ids, one.seeds)
    return meter._asked(artist, mixed, other).value

"""Sanity: damage real pictures in known ways, and ask every metric of a benchmark about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from harness.fingerprint import digest_file
from harness.interfaces import FeatureSet, Measurement, MetricSpec, Side, StageContext, silent
from harness.keys import extractor_name
from harness.metrics.sanity_card import COPIES, OTHER, REAL, SHARES, card_of, rows_of
from harness.pages.stages import (
    MOST_DECOYS,
    DamageSpec,
    DecoysSpec,
    SanitySpec,
    Treatment,
    TreatSpec,
)
from harness.pipeline.results.tables import TABLES
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile
from harness.pipeline.stages.damage import damage_each
from harness.pipeline.stages.decoys import collect
from harness.pipeline.stages.feature_files import feature_set
from harness.pipeline.stages.features import fill_caches, images_of
from harness.pipeline.stages.files import read_index
from harness.pipeline.stages.score import Judged, measure
from harness.pipeline.stages.treat import treat
from harness.pipeline.store.local import MANIFEST
from harness.records import Score

SEEDS = 2
"""Pictures in a row that stand for one prompt: diversity within prompts has something to see."""
DAMAGES = [name for name in get_args(Treatment) if name not in ("none", "mixed")]
ORIGINALS: Side = "originals"
DAMAGED: Side = "damaged"
DECOYS: Side = "decoys"
BESIDE = (ORIGINALS, DAMAGED, DECOYS)
"""Sides that only some metrics read, so only their extractors look at them."""
KEPT = 32
"""Sets of features in memory at once."""
AGAINST = "against"
"""The half of the reference that all sets are judged against."""


def examine(spec: SanitySpec, context: StageContext) -> None:
    """Write `sanity.parquet`: what every metric says of real pictures, and of each damage."""
    folders = {name: _treated(name, each, context) for name, each in _sets(spec, context)}
    if any(DAMAGED in metric.reads for metric in spec.metrics):
        folders[DAMAGED] = _damaged(folders[AGAINST], context)
    if any(DECOYS in metric.reads for metric in spec.metrics):
        folders[DECOYS] = _decoys(folders[AGAINST], spec, context)
    asked = {extractor_name(each.extractor()): each.extractor() for each in spec.metrics}
    extractors = {
        name: CachedExtractor(each, context)
        for name, each in asked.items()
        if name not in spec.unavailable
    }
    _look(folders, extractors, spec, context)
    examiner = Examiner(spec, folders, extractors)
    rows = {name: examiner.scores(name) for name in folders if name not in (AGAINST, *BESIDE)}
    table = pa.Table.from_pylist(rows_of(card_of(rows)), TABLES["sanity"])
    pq.write_table(table, context.folder / "sanity.parquet")
    for extractor in extractors.values():
        extractor.cache.close()


def _sets(
    spec: SanitySpec, context: StageContext
) -> Iterator[tuple[str, tuple[TreatSpec | None, str]]]:
    """Yield every set of pictures by name: how it is made, and of which input.

    All sets that are judged have as many pictures as the first half of the reference has.
    """
    there = sum(entry.file is not None for entry in read_index(context.inputs["reference"]))
    count = min(spec.count, (there + 1) // 2)
    real = TreatSpec(half=0, count=count, seeds=SEEDS)
    yield AGAINST, (TreatSpec(half=1), "reference")
    yield REAL, (real, "reference")
    for damage in DAMAGES:
        yield damage, (real.model_copy(update={"treatment": damage}), "reference")
    if ORIGINALS in context.inputs:
        yield ORIGINALS, (None, ORIGINALS)
        yield COPIES, (TreatSpec(count=count, seeds=SEEDS), ORIGINALS)
    if "other" in context.inputs:
        for name, share in SHARES.items():
            mixed = {"treatment": "mixed", "share": share}
            yield name, (real.model_copy(update=mixed), "reference")
        yield OTHER, (TreatSpec(count=count, seeds=spec.seeds), "other")


def _treated(name: str, made: tuple[TreatSpec | None, str], context: StageContext) -> Path:
    """Return the folder of a set, made in the step's own folder; an input stays where it is."""
    spec, side = made
    if spec is None:
        return context.inputs[side]
    folder = context.folder / f"scratch-{name}"
    inputs = {"images": context.inputs[side]}
    if spec.treatment == "mixed":
        inputs["others"] = context.inputs["other"]
    treat(spec, replace(context, folder=folder, inputs=inputs, report=silent))
    return folder


def _damaged(reference: Path, context: StageContext) -> Path:
    """Return the folder of damaged pictures that metrics learn from, of none that they judge."""
    folder = context.folder / f"scratch-{DAMAGED}"
    inputs = {"images": reference}
    damage_each(DamageSpec(), replace(context, folder=folder, inputs=inputs, report=silent))
    return folder


def _decoys(reference: Path, spec: SanitySpec, context: StageContext) -> Path:
    """Return the folder of decoys, those of the reference made from the half at hand."""
    folder = context.folder / "scratch-decoys"
    named = {name: path for name, path in context.inputs.items() if name.startswith("decoys-")}
    inputs = {"reference": reference, **named}
    if "other" in context.inputs:
        inputs["base"] = context.inputs["other"]
    decoys = DecoysSpec(count=MOST_DECOYS)
    collect(decoys, replace(context, folder=folder, inputs=inputs, report=silent))
    return folder


def _look(
    folders: Mapping[str, Path],
    extractors: Mapping[str, CachedExtractor],
    spec: SanitySpec,
    context: StageContext,
) -> None:
    """Let every extractor see the sets that its metrics ask about, all in one pass."""
    sets = {name: _images(folder) for name, folder in folders.items()}
    beside = {side: sets.pop(side, []) for side in BESIDE}
    readers = {
        side: {extractor_name(each.extractor()) for each in spec.metrics if side in each.reads}
        for side in BESIDE
    }
    images = [image for each in sets.values() for image in each]
    for name, extractor in extractors.items():
        read = [image for side in BESIDE if name in readers[side] for image in beside[side]]
        if extractor.missing([*images, *read]):
            _ = extractor.network  # a network that cannot be had is told before any works
    fill_caches(images, list(extractors.values()), context)
    for side in BESIDE:
        reading = [extractors[name] for name in extractors if name in readers[side]]
        if reading and beside[side]:
            fill_caches(beside[side], reading, context)


def _images(folder: Path) -> list[ImageFile]:
    """Return the images of a set; one that was made here has no manifest yet."""
    if (folder / MANIFEST).is_file():
        return images_of(folder)
    files = [entry.file for entry in read_index(folder) if entry.file]
    return images_of(folder, {file: digest_file(folder / file) for file in files})


class Examiner:
    """Asks the metrics of a benchmark about one set of pictures after the other."""

    def __init__(
        self,
        spec: SanitySpec,
        folders: Mapping[str, Path],
        extractors: Mapping[str, CachedExtractor],
    ) -> None:
        self._spec, self._folders, self._extractors = spec, folders, extractors
        self._features = lru_cache(maxsize=KEPT)(self._see)
        self._floors: dict[str, Judged] = {}

    def _see(self, name: str, extractor: str) -> FeatureSet:
        folder = self._folders[name]
        return feature_set(folder, self._extractors[extractor].features(_images(folder)))

    def scores(self, name: str) -> list[Score]:
        """Return what every metric says of a set; the set of real pictures comes first."""
        return [self._judged(name, metric).score() for metric in self._spec.metrics]

    def _judged(self, name: str, metric: MetricSpec) -> Judged:
        extractor = extractor_name(metric.extractor())
        if extractor in self._spec.unavailable:
            reason = self._spec.unavailable[extractor]
            return Judged(metric, Measurement(None, None, None, 0, reason=reason))
        own = self._features(name, extractor)
        measured = measure(metric, own, self._sides(name, metric, extractor))
        judged = Judged(metric, measured, own)
        if name == REAL:
            self._floors[metric.column] = judged
        floor = self._floors[metric.column]
        comparable = name not in (COPIES, OTHER) and metric.judges == "sample"
        if not comparable or "base" in metric.reads or judged.prompt_ids != floor.prompt_ids:
            return judged
        return replace(judged, base=floor.measured)

    def _sides(self, name: str, metric: MetricSpec, extractor: str) -> dict[Side, FeatureSet]:
        """Return what a metric compares with; real pictures stand where the base would."""
        unlike = name in (COPIES, OTHER)
        sets: dict[Side, str | None] = {
            "reference": AGAINST,
            **{side: side if side in self._folders else None for side in BESIDE},
            "base": None if unlike else REAL,
            "bare-base": None if unlike else REAL,
            "bare": name,
            "captions": name,
        }
        if "base" in metric.may_read:  # it is no partner of the pictures, but drawn as it is
            sets["base"] = OTHER if OTHER in self._folders else None
        return {
            side: self._features(each, extractor)
            for side in (*metric.reads, *metric.may_read)
            if (each := sets[side]) is not None
        }

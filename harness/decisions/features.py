"""Features of results that are still in the store, for those who exchange images of two."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from harness.decisions.contender import View
from harness.interfaces import FeatureSet, MetricSpec, Side
from harness.keys import extractor_name
from harness.pages.benchmark import Judgement
from harness.pipeline.stages.feature_files import features
from harness.pipeline.stages.files import INDEX
from harness.pipeline.store.local import Store, read_artifact
from harness.pipeline.store.soundness import read_sound, require_sound
from harness.records import Result, StepName


def are_at_hand(result: Result, store: Store) -> bool:
    """Return whether the store holds any features of a result, or of what it was compared with."""
    keys = (key for name, key in result.keys.items() if StepName.parse(name).extractor)
    return any(store.find(key) for key in keys)


def views_of(result: Result, judgement: Judgement, store: Store) -> dict[str, View]:
    """Return a view for every metric that needs one and whose features are there."""
    folders = {name: store.find(key) for name, key in result.keys.items()}
    there = {name: folder for name, folder in folders.items() if folder is not None}
    views: dict[str, View] = {}
    for metric in judgement.metrics:
        name = extractor_name(metric.extractor())
        sides = ("sample", *metric.reads)
        needed = {*sides, *(str(StepName.of_features(side, name)) for side in sides)}
        if metric.by_exchange and needed <= there.keys():
            views[metric.column] = partial(_view, metric, name, there)
    return views


def _view(
    metric: MetricSpec, name: str, there: Mapping[str, Path]
) -> tuple[MetricSpec, FeatureSet, Mapping[Side, FeatureSet]]:
    for side in ("sample", *metric.reads):
        read_sound(read_artifact(there[side]), INDEX)
        require_sound(read_artifact(there[str(StepName.of_features(side, name))]))
    sides: dict[Side, FeatureSet] = {side: features(side, name, there) for side in metric.reads}
    return metric, features("sample", name, there), sides

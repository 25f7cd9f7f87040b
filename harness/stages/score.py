"""Score: features to values, intervals and the account of every image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from harness import plugins
from harness.interfaces import FeatureSet, Measurement, MetricSpec, Progress, Workplace
from harness.records import Accounting, Score, extractor_name
from harness.stages.files import Entry, read_index
from harness.steps import ScoreSpec


def score(spec: ScoreSpec, place: Workplace) -> None:
    """Write `scores.json` and, one row an image and metric, `samples.parquet`."""
    entries = read_index(place.inputs["sample"])
    shown = [entry for entry in entries if entry.file]
    scores, rows = [], []
    for number, metric in enumerate(spec.metrics):
        measured = measure(metric, shown, place.inputs)
        scores.append(_score(metric, measured))
        if measured.samples is not None:
            rows += [
                (entry.id, entry.seed, metric.use, float(value))
                for entry, value in zip(shown, measured.samples, strict=True)
            ]
        place.report(Progress(number + 1, len(spec.metrics), metric.use))
    table = pa.table(
        {
            "prompt_id": pa.array([row[0] for row in rows], pa.string()),
            "seed": pa.array([row[1] for row in rows], pa.int64()),
            "metric": pa.array([row[2] for row in rows], pa.string()),
            "value": pa.array([row[3] for row in rows], pa.float64()),
        }
    )
    pq.write_table(table, place.folder / "samples.parquet")
    document = {
        "scores": [each.model_dump(mode="json") for each in scores],
        "images": account(entries).model_dump(mode="json"),
    }
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    (place.folder / "scores.json").write_text(text + "\n", encoding="utf-8")


def measure(metric: MetricSpec, shown: list[Entry], inputs: Any) -> Measurement:
    """Return what `metric` says of the images that are there."""
    if not shown:
        return Measurement(None, None, None, 0, reason="no image could be read")
    sets = []
    for extractor in metric.extractors():
        name = extractor_name(extractor)
        own = _features(inputs[f"features/{name}"], shown)
        theirs = inputs.get(f"reference/{name}")
        sets.append((own, _features(theirs, None) if theirs is not None else None))
    measured: Measurement = plugins.implementation(metric)(metric, *sets[0])
    return measured


def _features(folder: Path, shown: list[Entry] | None) -> FeatureSet:
    tensors = load_file(folder / "features.safetensors")
    images = tensors["images"].astype(np.float64)
    texts = tensors["texts"].astype(np.float64) if "texts" in tensors else None
    if shown is None:
        return FeatureSet(images, [], [], [], texts)
    return FeatureSet(
        images=images,
        prompts=[entry.text for entry in shown],
        prompt_ids=[entry.id for entry in shown],
        seeds=[entry.seed for entry in shown],
        texts=texts,
    )


def _score(metric: MetricSpec, measured: Measurement) -> Score:
    return Score(
        metric=metric.label(measured.n), value=measured.value, low=measured.low,
        high=measured.high, n=measured.n, higher_is_better=metric.higher_is_better,
        reason=measured.reason,
    )  # fmt: skip


def account(entries: list[Entry]) -> Accounting:
    """Return what became of every image that was expected."""
    there = [entry for entry in entries if entry.file]
    odd = [entry for entry in entries if entry.file is None or entry.black]
    return Accounting(
        expected=len(entries),
        generated=len(there),
        failed=len(entries) - len(there),
        black=sum(entry.black for entry in entries),
        scored=len(there),
        named=tuple(f"{entry.name}: {entry.reason or 'black'}" for entry in odd),
    )

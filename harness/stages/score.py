"""Score: features to values, intervals and the account of every image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import load_file

from harness import plugins
from harness.interfaces import (
    Evidence,
    FeatureSet,
    Measurement,
    MetricSpec,
    Progress,
    Side,
    Workplace,
)
from harness.metrics.intervals import reach_of
from harness.records import Accounting, Score, Versus, extractor_name
from harness.stages.files import Entry, open_picture, read_index, save_png
from harness.steps import ScoreSpec

PAIRS = 12
"""How many of the worst pairs are kept as pictures."""
THUMBNAIL = 256


def score(spec: ScoreSpec, place: Workplace) -> None:
    """Write `scores.json`, a row an image and metric in `samples.parquet`, a row a prompt and
    metric in `prompts.parquet`, and the worst pairs below `pairs/`."""
    entries = read_index(place.inputs["sample"])
    scores, samples, prompts = [], [], []
    for number, metric in enumerate(spec.metrics):
        found, measured, own = judge(metric, spec.unavailable, place.inputs)
        scores.append(found)
        if own is not None and measured.samples is not None:
            rows = zip(own.prompt_ids, own.seeds, measured.samples, strict=True)
            samples += [(name, seed, metric.column, float(value)) for name, seed, value in rows]
        if own is not None and measured.prompts is not None:
            rows_ = zip(dict.fromkeys(own.prompt_ids), measured.prompts, strict=True)
            prompts += [(name, metric.column, float(value)) for name, value in rows_]
        _keep_pairs(metric, measured, place)
        place.report(Progress(number + 1, len(spec.metrics), metric.column))
    _table(place.folder / "samples.parquet", ("prompt_id", "seed", "metric", "value"), samples)
    _table(place.folder / "prompts.parquet", ("prompt_id", "metric", "value"), prompts)
    document = {
        "scores": [each.model_dump(mode="json") for each in scores],
        "images": account(entries).model_dump(mode="json"),
    }
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    (place.folder / "scores.json").write_text(text + "\n", encoding="utf-8")


_TYPES = {"seed": pa.int64(), "value": pa.float64()}


def _table(file: Path, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    arrays = {
        column: pa.array([row[at] for row in rows], _TYPES.get(column, pa.string()))
        for at, column in enumerate(columns)
    }
    pq.write_table(pa.table(arrays), file)


def judge(
    metric: MetricSpec, unavailable: Mapping[str, str], inputs: Mapping[str, Path]
) -> tuple[Score, Measurement, FeatureSet | None]:
    """Return what `metric` says of the images that are there, and of the base's beside them."""
    name = extractor_name(metric.extractor())
    if name in unavailable:
        measured = Measurement(None, None, None, 0, reason=unavailable[name])
        return _score(metric, measured, None), measured, None
    own = features("sample", name, inputs)
    sides: dict[Side, FeatureSet] = {
        side: features(side, name, inputs) for side in metric.reads if side in inputs
    }
    measured = measure(metric, own, sides)
    versus = None
    if "base" in inputs and not {"base", "bare"} & set(metric.reads):
        versus = against(metric, own, features("base", name, inputs), sides)
    return _score(metric, measured, versus), measured, own


def measure(metric: MetricSpec, own: FeatureSet, sides: dict[Side, FeatureSet]) -> Measurement:
    """Return what `metric` says of `own`."""
    lacking = [side for side in metric.reads if side not in sides]
    if lacking:
        return Measurement(None, None, None, len(own), reason=_WHY[lacking[0]])
    if len(own) == 0:
        return Measurement(None, None, None, 0, reason="no image could be read")
    measured: Measurement = plugins.implementation(metric)(metric, Evidence(own, sides))
    return measured


_WHY: dict[Side, str] = {
    "reference": "the benchmark has no reference",
    "originals": "the benchmark names no originals",
    "base": "this is the base itself, or images whose base is not known",
    "bare": "there is no adapter to draw prompts with",
    "bare-base": "there is no adapter to draw prompts with",
}


def against(
    metric: MetricSpec, own: FeatureSet, base: FeatureSet, sides: dict[Side, FeatureSet]
) -> Versus | None:
    """Return the base's value and the paired difference, over the images both have."""
    ours, theirs = _shared(own, base)
    mine, other = measure(metric, ours, sides), measure(metric, theirs, sides)
    if mine.value is None or other.value is None or mine.prompts is None or other.prompts is None:
        return None
    delta, reach = mine.value - other.value, reach_of(mine.prompts - other.prompts)
    return Versus(value=other.value, delta=delta, low=delta - reach, high=delta + reach)


def _shared(a: FeatureSet, b: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """Return the rows of both whose prompt and seed the other has too, in one order."""
    at = {key: row for row, key in enumerate(zip(b.prompt_ids, b.seeds, strict=True))}
    keys = enumerate(zip(a.prompt_ids, a.seeds, strict=True))
    rows = np.array([(row, at[key]) for row, key in keys if key in at], np.int64).reshape(-1, 2)
    return a.take(rows[:, 0]), b.take(rows[:, 1])


def features(side: str, name: str, inputs: Mapping[str, Path]) -> FeatureSet:
    """Return the features of the images of one side, beside what they answer."""
    shown = [entry for entry in read_index(inputs[side]) if entry.file]
    step = f"features/{name}" if side == "sample" else f"{side}/{name}"
    tensors = {
        key: values.astype(np.float64)
        for key, values in load_file(inputs[step] / "features.safetensors").items()
    }
    return FeatureSet(
        images=tensors.pop("images"),
        prompts=[entry.text for entry in shown],
        prompt_ids=[entry.id for entry in shown],
        seeds=[entry.seed for entry in shown],
        texts=tensors.pop("texts", None),
        more=tensors,
    )


def _score(metric: MetricSpec, measured: Measurement, versus: Versus | None) -> Score:
    return Score(
        metric=metric.label(measured.n), value=measured.value, low=measured.low,
        high=measured.high, n=measured.n, higher_is_better=metric.higher_is_better,
        reason=measured.reason, family=metric.family, notes=measured.notes, flag=measured.flag,
        base=versus,
    )  # fmt: skip


def _keep_pairs(metric: MetricSpec, measured: Measurement, place: Workplace) -> None:
    """Write the worst pairs side by side: the image left, the picture it is nearest to right."""
    if not measured.pairs:
        return
    left = [entry for entry in read_index(place.inputs["sample"]) if entry.file]
    side = next(side for side in metric.reads if side in place.inputs)
    right = [entry for entry in read_index(place.inputs[side]) if entry.file]
    for number, pair in enumerate(measured.pairs[:PAIRS]):
        name = f"{metric.column}-{number + 1:02d}-{round(pair.likeness * 1000):04d}.png"
        one, two = left[pair.row], right[pair.other]
        picture = _beside(_small(place.inputs["sample"], one), _small(place.inputs[side], two))
        save_png(picture, place.folder / "pairs" / name)


def _small(folder: Path, entry: Entry) -> Image.Image:
    assert entry.file is not None
    picture = open_picture(folder / entry.file)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return picture


def _beside(one: Image.Image, two: Image.Image) -> Image.Image:
    both = Image.new("RGB", (one.width + two.width, max(one.height, two.height)), "white")
    both.paste(one, (0, 0))
    both.paste(two, (one.width, 0))
    return both


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

"""Score: from features to values with intervals, and the count of every image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from harness import plugins
from harness.files import write_text
from harness.interfaces import (
    Drawn,
    Evidence,
    FeatureSet,
    Measurement,
    MetricSpec,
    Side,
    StageContext,
)
from harness.keys import extractor_name
from harness.metrics.statistics.intervals import half_width
from harness.pages.stages import ScoreSpec
from harness.pipeline.stages.feature_files import features
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.records import Accounting, Score, Versus

PAIRS = 12
"""How many of the worst pairs are kept as pictures."""
THUMBNAIL = 256


@dataclass(frozen=True)
class Judged:
    """What one metric measured on the images, and on the base's at the same prompts and seeds."""

    metric: MetricSpec
    measured: Measurement
    own: FeatureSet | None = None
    base: Measurement | None = None

    @property
    def prompt_ids(self) -> list[str]:
        """Return the prompts whose pseudo-values the measurement holds."""
        ids = self.measured.prompt_ids or (self.own.prompt_ids if self.own is not None else ())
        return list(dict.fromkeys(ids))

    def samples(self) -> Iterator[tuple[str, int, str, float]]:
        """Yield prompt, seed, metric and value of every image that has one."""
        if self.own is not None and self.measured.samples is not None:
            rows = zip(self.own.prompt_ids, self.own.seeds, self.measured.samples, strict=True)
            for prompt_id, seed, value in rows:
                if np.isfinite(value):
                    yield prompt_id, seed, self.metric.column, float(value)

    def prompts(self) -> Iterator[tuple[str, str, float, float | None]]:
        """Yield prompt, metric and pseudo-value of every prompt, with the base's."""
        if self.measured.prompts is not None:
            theirs = [None] * len(self.measured.prompts)
            if self.base is not None and self.base.prompts is not None:
                theirs = self.base.prompts.tolist()
            rows = zip(self.prompt_ids, self.measured.prompts, theirs, strict=True)
            for prompt_id, value, base in rows:
                yield prompt_id, self.metric.column, float(value), base

    def score(self) -> Score:
        metric, measured = self.metric, self.measured
        return Score(
            metric=metric.label(measured.n),
            value=measured.value,
            low=measured.low,
            high=measured.high,
            n=measured.n,
            higher_is_better=metric.higher_is_better,
            reason=measured.reason,
            family=metric.family,
            notes=measured.notes,
            flag=measured.flag,
            base=self._versus(),
        )

    def _versus(self) -> Versus | None:
        """Return the base's value and the paired difference."""
        mine, base = self.measured, self.base
        if mine.value is None or base is None or base.value is None:
            return None
        if mine.prompts is None or base.prompts is None or len(mine.prompts) < 2:
            return None
        delta, reach = mine.value - base.value, half_width(mine.prompts - base.prompts)
        return Versus(value=base.value, delta=delta, low=delta - reach, high=delta + reach)


def score(spec: ScoreSpec, context: StageContext) -> None:
    """Write `scores.json`, a row an image and metric in `samples.parquet`, a row a prompt and
    metric in `prompts.parquet`, how near images come to originals in `likeness.parquet`, and the
    worst pairs below `pairs/`."""
    files, finished = [*map(_file, range(len(spec.metrics)))], FinishedFiles(context.folder)
    missing = [number for number, file in enumerate(files) if not finished.has(file)]
    share("score", spec, context, [Piece(each) for each in missing], len(files) - len(missing))
    results = [json.loads((context.folder / file).read_text(encoding="utf-8")) for file in files]
    samples = [row for each in results for row in each["samples"]]
    prompts = [row for each in results for row in each["prompts"]]
    likeness = [row for each in results for row in each["likeness"]]
    _table(context.folder / "samples.parquet", ("prompt_id", "seed", "metric", "value"), samples)
    _table(context.folder / "prompts.parquet", ("prompt_id", "metric", "value", "base"), prompts)
    _table(context.folder / "likeness.parquet", LIKENESS, likeness)
    document = {
        "scores": [each["score"] for each in results],
        "images": account(read_index(context.inputs["sample"])).model_dump(mode="json"),
    }
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    (context.folder / "scores.json").write_text(text + "\n", encoding="utf-8")


LIKENESS = ("metric", "prompt_id", "seed", "other", "value", "threshold")
"""Rows without a prompt compare pictures that are no copies."""


def piece_scorer(spec: ScoreSpec, context: StageContext) -> DoPiece:
    """Return the function that computes the metric of a number and writes its result."""

    def do_piece(number: int) -> None:
        judged = judge(spec.metrics[number], spec.unavailable, context.inputs)
        _keep_pairs(judged, context)
        document = {
            "score": judged.score().model_dump(mode="json"),
            "samples": list(judged.samples()),
            "prompts": list(judged.prompts()),
            "likeness": list(_likeness(judged, context.inputs)),
        }
        write_text(context.folder / _file(number), json.dumps(document))
        FinishedFiles(context.folder).add(_file(number))

    return do_piece


def _file(number: int) -> str:
    return f"scratch-metric-{number:03d}.json"


_TYPES = {
    "seed": pa.int64(),
    "value": pa.float64(),
    "base": pa.float64(),
    "threshold": pa.float64(),
}


def _table(file: Path, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    arrays = {
        column: pa.array([row[at] for row in rows], _TYPES.get(column, pa.string()))
        for at, column in enumerate(columns)
    }
    pq.write_table(pa.table(arrays), file)


def _likeness(
    judged: Judged, inputs: Mapping[str, Path]
) -> Iterator[tuple[str, str | None, int | None, str | None, float, float]]:
    """Yield how near each image comes to an original, and how near pictures that copy nothing."""
    near, own = judged.measured.likeness, judged.own
    if near is None or own is None:
        return
    name, side = judged.metric.column, judged.metric.reads[0]
    others = [entry.id for entry in read_index(inputs[side]) if entry.file]
    rows = zip(own.prompt_ids, own.seeds, near.others, near.images, strict=True)
    for prompt_id, seed, other, value in rows:
        yield name, prompt_id, seed, others[other], float(value), near.threshold
    for value in near.null:
        yield name, None, None, None, float(value), near.threshold


def judge(metric: MetricSpec, unavailable: Mapping[str, str], inputs: Mapping[str, Path]) -> Judged:
    """Return what `metric` says of the images that are there, and of the base's beside them."""
    name = extractor_name(metric.extractor())
    if name in unavailable:
        return Judged(metric, Measurement(None, None, None, 0, reason=unavailable[name]))
    if metric.judges not in inputs:
        return Judged(metric, Measurement(None, None, None, 0, reason=_WHY[metric.judges]))
    own = features(metric.judges, name, inputs)
    sides: dict[Side, FeatureSet] = {
        side: features(side, name, inputs)
        for side in (*metric.reads, *metric.may_read)
        if side in inputs
    }
    measured = measure(metric, own, sides)
    looks_at_base = "base" in (*metric.reads, *metric.may_read)
    if "base" not in inputs or looks_at_base or metric.judges != "sample":
        return Judged(metric, measured, own)
    base = _base(metric, own, features("base", name, inputs), sides)
    return Judged(metric, measured, own, base)


def measure(metric: MetricSpec, own: FeatureSet, sides: dict[Side, FeatureSet]) -> Measurement:
    """Return what `metric` says of `own`."""
    lacking = [side for side in metric.reads if side not in sides]
    if lacking:
        return Measurement(None, None, None, len(own), reason=_WHY[lacking[0]])
    if len(own) == 0:
        return Measurement(None, None, None, 0, reason="no image could be read")
    with np.errstate(all="ignore"):  # what comes of it is looked at, and told in our own words
        measured: Measurement = plugins.implementation(metric)(metric, Evidence(own, sides))
    return sound(measured)


def sound(measured: Measurement) -> Measurement:
    """Return a measurement of finite numbers, or none with the reason."""
    ends = [end for end in (measured.value, measured.low, measured.high) if end is not None]
    prompts = () if measured.prompts is None else measured.prompts
    if np.isfinite(ends).all() and np.isfinite(prompts).all():
        return measured
    reason = "its value or its interval is not a finite number"
    return Measurement(None, None, None, measured.n, reason=reason, notes=measured.notes)


_WHY: dict[Drawn | Side, str] = {
    "reference": "the benchmark has no reference",
    "damaged": "the benchmark has no reference whose pictures could be damaged",
    "originals": "the benchmark names no originals",
    "decoys": "no pictures in another style are at hand, such as the bare base's",
    "base": "this is the base itself, or images whose base is not known",
    "bare": "there is no adapter to draw prompts with",
    "bare-base": "there is no adapter to draw prompts with",
    "captions": "there is no model to draw captions with",
}


def _base(
    metric: MetricSpec, own: FeatureSet, base: FeatureSet, sides: dict[Side, FeatureSet]
) -> Measurement | None:
    """Return what `metric` says of the base; None where it did not draw every one of `own`."""
    at = {key: row for row, key in enumerate(zip(base.prompt_ids, base.seeds, strict=True))}
    keys = list(zip(own.prompt_ids, own.seeds, strict=True))
    if not keys or not all(key in at for key in keys):
        return None
    return measure(metric, base.take(np.array([at[key] for key in keys], np.int64)), sides)


def _keep_pairs(judged: Judged, context: StageContext) -> None:
    """Write the worst pairs side by side: the image left, the picture it is nearest to right."""
    if not judged.measured.pairs:
        return
    drawn, side = judged.metric.judges, judged.metric.reads[0]
    left, right = (_with_file(context.inputs[name]) for name in (drawn, side))
    for number, pair in enumerate(judged.measured.pairs[:PAIRS], 1):
        one = _small(context.inputs[drawn], left[pair.row])
        two = _small(context.inputs[side], right[pair.other])
        name = f"{judged.metric.column}-{number:02d}-{left[pair.row].id}_{left[pair.row].seed}.png"
        save_png(_beside(one, two), context.folder / "pairs" / name)


def _with_file(folder: Path) -> list[Entry]:
    return [entry for entry in read_index(folder) if entry.file]


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
    """Return the count of expected, generated, black, failed and scored images."""
    present = [entry for entry in entries if entry.file]
    odd = [entry for entry in entries if entry.file is None or entry.black]
    return Accounting(
        expected=len(entries),
        generated=len(present),
        failed=len(entries) - len(present),
        black=sum(entry.black for entry in entries),
        scored=len(present),
        named=tuple(f"{entry.name}: {entry.reason or 'black'}" for entry in odd),
        kinds=dict(sorted(Counter(kind for entry in present for kind in entry.kinds).items())),
    )

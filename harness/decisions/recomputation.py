"""The scores of a result, computed again from the features in the store, and compared."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness import plugins
from harness.decisions.replicates import Run, combine, write_tables
from harness.errors import HarnessError
from harness.interfaces import MetricSpec, StageContext
from harness.keys import described, extractor_name
from harness.pages.stages import ScoreSpec
from harness.pipeline.results.assemble import standing
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import CARD, OF_SCORES, Kind, read_card, read_table
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.score import score as compute
from harness.records import Accounting, Artifact, Result, Score, StepName

NEAR = 1e-6
"""How far two computers may lie apart, of a number's own size."""


@dataclass
class Compared:
    """What was found, and what could not be looked at."""

    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scored:
    """What one score artifact says."""

    scores: tuple[Score, ...]
    images: Accounting
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Scored:
        document = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        scores = tuple(Score.model_validate_json(json.dumps(each)) for each in document["scores"])
        images = Accounting.model_validate_json(json.dumps(document["images"]))
        return cls(scores, images, folder)


def compare(file: ResultFile, artifacts: Mapping[str, Artifact]) -> Compared:
    """Return how a result differs from its score artifacts, and these from their features."""
    result, compared = file.result, Compared()
    made = [artifacts.get(result.keys.get(name, "")) for name in _names(result)]
    for name, artifact in zip(_names(result), made, strict=True):
        if artifact is not None:
            _compute_again(name, artifact, artifacts, result, compared)
    if any(artifact is None for artifact in made):
        compared.unchecked.append("its scores were not compared: their artifact is not there")
        return compared
    scored = [Scored.read(artifact.path) for artifact in made if artifact is not None]
    with TemporaryDirectory() as scratch:
        whole = scored[0] if result.interval == "file" else _of_runs(file, scored, Path(scratch))
        whole = _licensed(file, whole, made[0], artifacts, compared)
        compared.problems += _differing(file, whole)
    return compared


def _licensed(
    file: ResultFile,
    whole: Scored,
    score: Artifact | None,
    artifacts: Mapping[str, Artifact],
    compared: Compared,
) -> Scored:
    """Return the scores with what the sanity card in the store says of their metrics."""
    result = file.result
    if CARD in result.keys:
        artifact = artifacts.get(result.keys[CARD])
        metrics = None if score is None else _metrics(score)
        if artifact is None or metrics is None:
            compared.unchecked.append("its licences were not compared with the sanity card")
            written = {each.metric: each for each in result.scores}
            return replace(whole, scores=tuple(_as_written(each, written) for each in whole.scores))
        stored = _table(artifact.path, CARD)
        compared.problems += _differing_table(file, stored, CARD)
        said = [standing(each.metric, metrics, read_card(stored)) for each in whole.scores]
        pairs = zip(whole.scores, said, strict=True)
        return replace(whole, scores=tuple(each.model_copy(update=more) for each, more in pairs))
    if file.has_table(CARD):
        compared.problems.append(f"{file.table_path(CARD)} belongs to no step of the result")
    return whole


def _as_written(score: Score, written: Mapping[str, Score]) -> Score:
    other = written.get(score.metric)
    if other is None:
        return score
    return score.model_copy(update={"floor": other.floor, "licence": other.licence})


def _names(result: Result) -> list[str]:
    """Return the names of the steps that scored."""
    seeds: Sequence[int | None] = result.training_seeds if result.interval == "recipe" else (None,)
    return [str(StepName("score", seed=seed)) for seed in seeds]


def _differing(file: ResultFile, whole: Scored) -> Iterator[str]:
    """Yield where a result and its tables are not what was scored."""
    result = file.result
    if whole.scores != result.scores:
        stored = {score.metric: score for score in whole.scores}
        written = {score.metric: score for score in result.scores}
        names = sorted(
            name for name in stored.keys() | written.keys() if stored.get(name) != written.get(name)
        )
        what = ", ".join(names) or "their order"
        yield f"{file.path} differs from the scores in the store: {what}"
    if whole.images != result.images:
        yield f"{file.path} counts other images than the store"
    for kind in OF_SCORES:
        yield from _differing_table(file, _table(whole.folder, kind), kind)


def _differing_table(file: ResultFile, stored: Path, kind: Kind) -> Iterator[str]:
    beside = file.table_path(kind)
    if not beside.is_file():
        if stored.is_file():
            yield f"{beside} is missing"
    elif not _is_same(beside, stored, kind, file.result):
        yield f"{beside} differs from the table in the store"


def _table(folder: Path, kind: Kind) -> Path:
    return folder / f"{kind}.parquet"


def _is_same(one: Path, other: Path, kind: Kind, result: Result) -> bool:
    """Return whether a table is the stored one: a copy to the byte, or what was put together."""
    if not other.is_file():
        return False
    if result.interval == "file":
        return one.read_bytes() == other.read_bytes()
    try:
        return bool(read_table(one, kind).equals(read_table(other, kind)))
    except HarnessError:
        return False


def _of_runs(file: ResultFile, scored: Sequence[Scored], scratch: Path) -> Scored:
    """Return what several training runs say together, with their tables in `scratch`."""
    runs, files = [], []
    for seed, each in zip(file.result.training_seeds, scored, strict=True):
        own = ResultFile(scratch / f"seed{seed}.json")
        for kind in OF_SCORES:
            shutil.copyfile(_table(each.folder, kind), own.table_path(kind))
        alone = file.result.model_copy(
            update={"scores": each.scores, "images": each.images, "keys": {}, "provenance": {}}
        )
        runs.append(Run(seed, alone, own.pseudo_values()))
        files.append((seed, own))
    whole = combine(file.result.recipe, runs)
    target = ResultFile(scratch / "whole.json")
    write_tables(target, files)
    for kind in OF_SCORES:
        if target.has_table(kind):
            target.table_path(kind).rename(_table(scratch, kind))
    return Scored(whole.scores, whole.images, scratch)


def _compute_again(
    name: str,
    artifact: Artifact,
    artifacts: Mapping[str, Artifact],
    result: Result,
    compared: Compared,
) -> None:
    """Compute the scores of an artifact again, and note what differs or why it cannot be done."""
    inputs = artifact.manifest["inputs"]
    lacking = [part for part, key in inputs.items() if key not in artifacts]
    if lacking:
        compared.unchecked.append(f"{name} was not computed again: {lacking[0]} is not there")
        return
    stored = Scored.read(artifact.path)
    metrics = _metrics(artifact)
    if metrics is None:
        compared.unchecked.append(
            f"{name} was not computed again: it was made by another version of its metrics"
        )
        return
    if [described(each) for each in metrics] != result.protocol.get("metrics"):
        compared.problems.append(f"{name} holds other metrics than the protocol of the result")
    spec = ScoreSpec(metrics=metrics, unavailable=_unavailable(metrics, stored, inputs))
    folders = {part: artifacts[key].path for part, key in inputs.items()}
    with TemporaryDirectory() as scratch:
        compute(spec, StageContext(Path(scratch), folders))
        again = Scored.read(Path(scratch))
        compared.problems += [
            f"{name} does not follow from its features: {what}" for what in _unlike(stored, again)
        ]


def _unlike(stored: Scored, again: Scored) -> Iterator[str]:
    """Yield the parts of a score artifact that come out otherwise."""
    if len(stored.scores) != len(again.scores) or stored.images != again.images:
        yield "its metrics or its count of images"
        return
    for one, other in zip(stored.scores, again.scores, strict=True):
        if not alike(one.model_dump(), other.model_dump()):
            yield one.metric
    for kind in OF_SCORES:
        tables = [read_table(_table(each.folder, kind), kind) for each in (stored, again)]
        if not alike(*(table.to_pylist() for table in tables)):
            yield f"{kind}.parquet"


def _metrics(artifact: Artifact) -> tuple[MetricSpec, ...] | None:
    """Return the metrics of a score artifact, if they are the ones that are installed here."""
    if artifact.manifest["version"] != STAGES["score"].version:
        return None
    written = artifact.manifest["spec"]["metrics"]
    try:
        spec = ScoreSpec.model_validate_json(json.dumps({"metrics": [_bare(w) for w in written]}))
    except (HarnessError, ValueError):
        return None
    return spec.metrics if described(spec)["metrics"] == written else None


def _bare(written: Any, group: str = "metrics") -> dict[str, Any]:
    """Return a plugin's options as a page has them, without what a manifest adds to them."""
    fields = plugins.spec(group, written["use"]).model_fields
    return {
        name: _bare(part, "extractors") if isinstance(part, dict) and "use" in part else part
        for name, part in written.items()
        if name in fields
    }


def _unavailable(
    metrics: Sequence[MetricSpec], stored: Scored, inputs: Mapping[str, str]
) -> dict[str, str]:
    """Return why the features of some extractors were lacking, as the stored scores say."""
    extractors = [extractor_name(metric.extractor()) for metric in metrics]
    return {
        name: score.reason or ""
        for name, score in zip(extractors, stored.scores, strict=False)
        if not any(StepName.parse(part).extractor == name for part in inputs)
    }


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are the same, numbers as far as computers agree."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=NEAR, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)

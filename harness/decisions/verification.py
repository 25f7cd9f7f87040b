"""Whether a result is what its artifacts say: its keys, scores, tables and pictures.

What lies beside the result is compared with the result; what lies in the store, with both. Where
the artifacts are elsewhere, what could not be compared is said, for absence is no proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.decisions import recomputation
from harness.errors import HarnessError
from harness.fingerprint import digest
from harness.metrics.statistics.intervals import half_width
from harness.pipeline.results import album
from harness.pipeline.results.assemble import album_sources
from harness.pipeline.results.file import ResultFile, result_files
from harness.pipeline.results.probe import summary_of
from harness.pipeline.results.tables import PROBE
from harness.pipeline.store.local import Store, content_of, damage, read_artifact
from harness.pipeline.store.soundness import set_aside
from harness.records import Artifact, Result, StepName, column_of


@dataclass(frozen=True)
class Verification:
    """What was found about one result."""

    file: Path
    problems: tuple[str, ...]
    """What does not hold."""
    unchecked: tuple[str, ...]
    """What could not be compared, and why."""
    artifacts: int
    """How many artifacts were read and compared."""

    def lines(self) -> list[str]:
        """Return every reason not to take the result for granted."""
        return [*self.problems, *self.unchecked]


def verify_all(reports: Path, store: Store) -> Iterator[Verification]:
    """Yield what is found about every result below a folder."""
    for file in result_files(reports):
        try:
            yield verify(file.path, store)
        except HarnessError as error:
            yield Verification(file.path, (str(error),), (), 0)


def verify(path: Path, store: Store) -> Verification:
    """Return what is found about one result file."""
    file = ResultFile(path)
    result = file.result
    problems = [*_names(file), *_keys(result), *_numbers(file), *_pictures(file), *_probe(file)]
    artifacts, damaged = _artifacts(result, store)
    if not artifacts and not damaged:
        reason = (
            f"its scores were not computed again and its tables and pictures not compared: none of "
            f"its {len(set(result.keys.values()))} artifacts is in {store.root}"
        )
        return Verification(path, tuple(problems), (reason,), 0)
    problems += damaged
    problems += [
        f"{name} ({key[:12]}) is not in {store.root}"
        for name, key in result.keys.items()
        if key not in artifacts and not any(key in problem for problem in damaged)
    ]
    problems += _links(result, artifacts)
    compared = recomputation.compare(file, artifacts)
    problems += [*compared.problems, *_album(file, artifacts), *_probe_made(file, artifacts)]
    return Verification(path, tuple(problems), tuple(compared.unchecked), len(artifacts))


def set_aside_unsound(path: Path, store: Store) -> list[str]:
    """Set aside the artifacts that a result cannot stand on; return the names of their steps.

    These are the damaged ones, and what was made of them, or of what is missing or was made again
    otherwise. The next run makes them all.
    """
    keys = ResultFile(path).result.keys
    artifacts, _ = _artifacts(ResultFile(path).result, store)
    lost = set(keys.values()) - artifacts.keys()
    before = -1
    while before != len(lost):
        before = len(lost)
        lost |= {key for key, each in artifacts.items() if _stands_on(each, lost, artifacts)}
    moved = []
    for name, key in keys.items():
        folder = store.find(key) if key in lost else None
        if folder is not None:
            with store.lock(key, f"another process is making {name}").held():
                set_aside(store, folder)
            moved.append(name)
    return moved


def _stands_on(artifact: Artifact, lost: set[str], artifacts: Mapping[str, Artifact]) -> bool:
    """Return whether an artifact was made of something that is lost, or is another by now."""
    inputs, contents = artifact.manifest["inputs"], artifact.manifest.get("contents", {})
    return bool(lost & set(inputs.values())) or any(
        part in contents and key in artifacts and contents[part] != content_of(artifacts[key])
        for part, key in inputs.items()
    )


def _names(file: ResultFile) -> Iterator[str]:
    result = file.result
    if digest(result.protocol)[:16] != result.signature:
        yield f"{file.path}: the signature is not that of its protocol"
    if file.path.stem != result.recipe:
        yield f"{file.path} is filed under another name than {result.recipe}"
    asked = result.protocol.get("n")
    runs = len(result.training_seeds) if result.interval == "recipe" else 1
    if isinstance(asked, int) and result.images.expected != asked * runs:
        yield f"{file.path} counts {result.images.expected} images, and its protocol {asked * runs}"


def _keys(result: Result) -> Iterator[str]:
    """Yield the steps of the plan that a result must name and does not."""
    seeds = result.training_seeds if result.interval == "recipe" else (None,)
    for seed in seeds:
        for name in _wanted(result):
            full = str(StepName.parse(name).of_training(seed))
            if full not in result.keys:
                yield f"the result names no artifact of {full}"


def _wanted(result: Result) -> Iterator[str]:
    """Yield the names of the steps that every such plan has."""
    yield from ("sample", "score")
    if result.origin == "trained":
        yield from ("data", "texts", "latents", "train")
    yield from (side for side in ("reference", "originals") if result.protocol.get(side))
    if all(score.value is not None for score in result.scores):  # else a network may be lacking
        named = {StepName.parse(name).extractor for name in result.keys}
        described = result.protocol.get("extractors")
        extractors = {
            f"{each.get('use')}-{digest(each)[:8]}"
            for each in (described if isinstance(described, list) else ())
            if isinstance(each, dict)
        }
        yield from (str(StepName.of_features("sample", each)) for each in extractors - named)


def _numbers(file: ResultFile) -> Iterator[str]:
    """Yield where a result contradicts itself, or the tables beside it."""
    for score in file.result.scores:
        value, base = score.value, score.base
        if value is None:
            continue
        if not _lies_within(value, (score.low, score.high)):
            yield f"{score.metric} lies outside of its own interval"
        if base is not None and not recomputation.alike(base.delta, value - base.value):
            yield f"{score.metric} is not its base's value and the difference to it"
    try:
        if file.has_table("samples"):
            yield from _means(file)
        if file.has_table("prompts") and file.result.interval == "file":
            yield from _differences(file)
    except HarnessError as error:
        yield str(error)


def _lies_within(value: float, ends: tuple[float | None, float | None]) -> bool:
    low, high = (value if end is None else end for end in ends)
    return low <= value <= high or recomputation.alike(value, low if value < low else high)


def _means(file: ResultFile) -> Iterator[str]:
    """Yield the metrics whose value is not the mean of their single images."""
    values: dict[str, list[float]] = {}
    for row in file.table("samples").to_pylist():
        values.setdefault(row["metric"], []).append(row["value"])
    scores = {column_of(score.metric): score for score in file.result.scores}
    for column, each in values.items():
        value = scores[column].value if column in scores else math.nan
        if value is None:  # too few images for an interval; its reason is computed again elsewhere
            continue
        if not recomputation.alike(sum(each) / len(each), value):
            yield f"{column} is not the mean of the images in {file.table_path('samples')}"


def _differences(file: ResultFile) -> Iterator[str]:
    """Yield the metrics whose interval beside the base is not that of their prompts."""
    import numpy as np

    pseudo = file.pseudo_values()
    for score in file.result.scores:
        own, base = (side.get(column_of(score.metric), {}) for side in (pseudo.own, pseudo.base))
        if score.base is not None and len(own) > 1 and own.keys() == base.keys():
            reach = half_width(np.array([own[prompt] - base[prompt] for prompt in own]))
            if not recomputation.alike(score.base.delta - reach, score.base.low):
                yield f"{score.metric} has another interval than {file.table_path('prompts')} gives"


def _pictures(file: ResultFile) -> Iterator[str]:
    if file.album_path.is_file():
        yield from album.problems(file.album_path)


def _artifacts(result: Result, store: Store) -> tuple[dict[str, Artifact], list[str]]:
    """Return the artifacts that are there and sound, by key, and what is damaged."""
    artifacts, damaged = {}, []
    for key in dict.fromkeys(result.keys.values()):
        folder = store.find(key)
        if folder is None:
            continue
        try:
            artifact = read_artifact(folder)
            problems = damage(artifact)
        except HarnessError as error:
            problems = [str(error)]
        damaged += problems
        if not problems:
            artifacts[key] = artifact
    return artifacts, damaged


def _links(result: Result, artifacts: Mapping[str, Artifact]) -> Iterator[str]:
    """Yield where an artifact was made of something else than the result names or the store has."""
    named = set(result.keys.values())
    for name, key in result.keys.items():
        if key not in artifacts:
            continue
        manifest = artifacts[key].manifest
        if not _fits(StepName.parse(name), manifest["stage"]):
            yield f"{name} is the artifact of another stage, {manifest['stage']}"
        for part, source in manifest["inputs"].items():
            if source not in named:
                yield f"the result does not name the {part} that its {name} was made of"
            then = manifest.get("contents", {}).get(part)
            if source in artifacts and then not in (None, content_of(artifacts[source])):
                yield f"{name} was made of another {part} than the one in the store: run again"


def _probe(file: ResultFile) -> Iterator[str]:
    """Yield where a result does not say what the table of its loss probe does."""
    said = file.result.probe
    if said is None:
        return
    if not file.has_table(PROBE):
        yield f"{file.table_path(PROBE)} is missing"
        return
    try:
        found = summary_of(file.table(PROBE))
    except (HarnessError, ValueError, LookupError) as error:
        yield f"{file.table_path(PROBE)} holds no loss probe: {error}"
        return
    if not recomputation.alike(found.model_dump(), said.model_dump()):
        yield f"{file.path} says of its loss probe what {file.table_path(PROBE).name} does not"


def _probe_made(file: ResultFile, artifacts: Mapping[str, Artifact]) -> Iterator[str]:
    """Yield where the table of the loss probe is not the one in the store."""
    made, beside = artifacts.get(file.result.keys.get("probe", "")), file.table_path(PROBE)
    if made is None or not beside.is_file():
        return
    if beside.read_bytes() != (made.path / f"{PROBE}.parquet").read_bytes():
        yield f"{beside} differs from the table in the store"


def _fits(name: StepName, stage: str) -> bool:
    if name.role in ("data", "texts", "latents", "train", "probe", "sanity", "score"):
        return stage == name.role
    return stage in ("data", "sample", "damage", "decoys", "features")


def _album(file: ResultFile, artifacts: Mapping[str, Artifact]) -> list[str]:
    """Return how the album differs from the pictures in the store."""
    if not file.album_path.is_file():
        return []
    there = {
        name: artifacts[key].path for name, key in file.result.keys.items() if key in artifacts
    }
    if any(name not in there for name in file.result.keys if name in album.SIDES):
        return []
    score = there.get("score")
    if score is None:
        return []
    return album.differences(file.album_path, *album_sources(there, score))

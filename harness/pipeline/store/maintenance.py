"""Whether results still are what the store holds, and which artifacts no result needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, StoreError, UsageError
from harness.fingerprint import digest
from harness.pipeline.results.file import result_files
from harness.pipeline.results.read import read_result
from harness.pipeline.store.local import Store, damage, read_artifact
from harness.records import Artifact, Result, StepName


def verify(file: Path, store: Path) -> list[str]:
    """Return everything about a result file that does not hold any more."""
    result = read_result(file)
    problems: list[str] = []
    if digest(result.protocol)[:16] != result.signature:
        problems.append(f"{file}: the signature is not that of its protocol")
    if file.stem != result.recipe:
        problems.append(f"{file} is filed under another name than {result.recipe}")
    by_key = {artifact.key: artifact for artifact in _artifacts(Store(store), problems)}
    for name, key in result.keys.items():
        if key in by_key:
            problems += damage(by_key[key])
        elif StepName.parse(name).role in ("sample", "score"):
            problems.append(f"{name} ({key[:12]}) is not in {store}")
    if not problems and result.interval == "recipe":
        problems += _differing_runs(file, result, by_key)
    elif not problems and result.keys.get("score") in by_key:
        document = _scores(by_key[result.keys["score"]])
        written = [each.model_dump(mode="json") for each in result.scores]
        if document["scores"] != written:
            problems.append(f"{file} differs from the scores in the store")
        if document["images"] != result.images.model_dump(mode="json"):
            problems.append(f"{file} counts other images than the store")
    return problems


def _differing_runs(file: Path, result: Result, by_key: Mapping[str, Artifact]) -> list[str]:
    """Return the training seeds whose values are not those that the store holds."""
    return [
        f"{file} differs from the scores of training seed {seed} in the store"
        for number, seed in enumerate(result.training_seeds)
        if any(
            score.runs and score.runs[number] != stored["value"]
            for score, stored in zip(
                result.scores,
                _scores(by_key[result.keys[str(StepName("score", seed=seed))]])["scores"],
                strict=True,
            )
        )
    ]


def _scores(artifact: Artifact) -> dict[str, Any]:
    text = (artifact.path / "scores.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _artifacts(store: Store, problems: list[str]) -> list[Artifact]:
    artifacts = []
    for manifest in sorted(store.root.glob("*/??/*/manifest.json")):
        try:
            artifacts.append(read_artifact(manifest.parent))
        except HarnessError as error:
            problems.append(str(error))
    return artifacts


@dataclass(frozen=True)
class Garbage:
    """What `gc` would remove or has removed."""

    folders: tuple[Path, ...]
    bytes: int


def collect_garbage(store: Store, reports: Path, dry_run: bool) -> Garbage:
    """Remove artifacts that no result names, and the leftovers of steps that never finished."""
    if not reports.is_dir():
        raise UsageError(
            f"there is no folder {reports}: every artifact would look unused",
            hint="give --reports the folder with the results that are to stay",
        )
    if store.in_use():
        raise StoreError(f"{store.root} is in use by another run", hint="wait for it to end")
    named = {
        key
        for folder in (reports, store.root / "rehearsals")
        for file in result_files(folder)
        for key in file.result.keys.values()
    }
    unused = [artifact.path for artifact in store.artifacts() if artifact.key not in named]
    folders = [*unused, *store.leftovers()]
    size = sum(
        file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()
    )
    if not dry_run:
        for folder in folders:
            shutil.rmtree(folder)
    return Garbage(tuple(folders), size)

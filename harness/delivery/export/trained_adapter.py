"""Find the adapter behind a result, and all that the store knows of how it came to be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.diffusion.adapter_writer import FILE
from harness.errors import StoreError, UsageError
from harness.escaping import command
from harness.fingerprint import digest_file
from harness.pages.recipe import Name
from harness.pages.stages import TrainSpec
from harness.pipeline.results.read import read_result
from harness.pipeline.stages.files import read_index
from harness.pipeline.store.local import Store, read_artifact
from harness.records import Artifact, Result, StepName

_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True)
class DataSet:
    """What was learned from, by a name that says nothing of this machine."""

    name: str
    images: int


@dataclass(frozen=True)
class TrainedAdapter:
    """One trained adapter."""

    result: Result
    folder: Path
    """Where its file lies, and that of its tokens where it has some."""
    key: str
    spec: TrainSpec
    step: int
    """After how many optimizer steps it was kept."""
    began: datetime
    ended: datetime
    sets: tuple[DataSet, ...]
    trigger: str
    """What every caption began with, and the new tokens; may be empty."""

    @property
    def name(self) -> str:
        return self.result.recipe

    @property
    def base(self) -> str:
        """Return the base's name, of a folder of this machine its last word alone."""
        model = self.spec.base.model
        return Path(model).name if Path(model).is_dir() or model.startswith(("/", ".")) else model

    @property
    def is_toy(self) -> bool:
        return self.spec.base.model.startswith("pocket/")


def find_adapter(file: Path, store: Store) -> TrainedAdapter:
    """Return the adapter that the result in `file` judged."""
    result = read_result(file)
    _check_name(result.recipe, file)
    artifact = _artifact(result, file, store)
    step, folder = _place(result, artifact)
    _check_bytes(artifact, folder / FILE)
    spec = _spec(artifact)
    ended = datetime.fromisoformat(str(artifact.manifest["provenance"]["made"])).astimezone(UTC)
    seconds = float(artifact.manifest["provenance"].get("seconds") or 0)
    texts = list(_inputs(artifact, store, "texts"))
    return TrainedAdapter(
        result=result,
        folder=folder,
        key=artifact.key,
        spec=spec,
        step=step if step is not None else spec.train.steps,
        began=datetime.fromtimestamp(ended.timestamp() - seconds, UTC),
        ended=ended,
        sets=tuple(_set(data) for each in texts for data in _inputs(each, store, "data")),
        trigger=_trigger(texts, spec),
    )


def _check_name(name: str, file: Path) -> None:
    """Refuse a name that is none: files will be called by it."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise UsageError(
            f"{file} calls its recipe {name[:80]!r}", hint="small letters, digits, dot, dash"
        ) from None


def _artifact(result: Result, file: Path, store: Store) -> Artifact:
    key = result.keys.get("train")
    if key is None:
        raise UsageError(
            f"{file} is no trained LoRA: it was {result.origin}",
            hint="export the result of a recipe that trains",
        )
    folder = store.root / "train" / key[:2] / key
    if not folder.is_dir():
        raise StoreError(
            f"the training behind {file} ({key[:12]}) is not in {store.root}",
            hint=f"give its --store, or make it again: {command('run', result.recipe)}",
        )
    return read_artifact(folder)


def _place(result: Result, artifact: Artifact) -> tuple[int | None, Path]:
    """Return the step and the folder of what was judged: the end, or one checkpoint."""
    match = re.fullmatch(r".+\.step(\d+)", result.recipe)
    step = int(match[1]) if match else None
    folder = artifact.path / f"checkpoints/{step:06d}" if step is not None else artifact.path
    if (folder / FILE).is_file():
        return step, folder
    if step is not None:
        raise StoreError(
            f"there is no checkpoint after step {step} in {artifact.path}",
            hint="it may have been trained without checkpoint_every",
        )
    raise UsageError(
        f"{result.recipe} is no LoRA: it was trained whole",
        hint="its models lie in the store as diffusers folders",
    )


def _check_bytes(artifact: Artifact, file: Path) -> None:
    listed = artifact.manifest["files"].get(file.relative_to(artifact.path).as_posix())
    if digest_file(file) != listed:
        raise StoreError(
            f"{file} has changed since it was made", hint="remove its folder and run again"
        )


def _spec(artifact: Artifact) -> TrainSpec:
    """Return the spec in a manifest, which leaves defaults out and adds the plugins' versions."""
    written: dict[str, Any] = json.loads(json.dumps(artifact.manifest["spec"]))
    written["train"]["optimizer"].pop("version", None)
    for phase in written["train"]["phases"]:
        phase.pop("data", None)  # named by its content there, not by its place
    try:
        return TrainSpec.model_validate_json(json.dumps(written))
    except ValidationError as error:
        raise StoreError(
            f"{artifact.path} was trained by another release of harness",
            hint="run the recipe again",
        ) from error


def _inputs(artifact: Artifact, store: Store, stage: str) -> Iterator[Artifact]:
    """Yield the artifacts of one stage that this one was made from, where the store has them."""
    for part, key in sorted(artifact.manifest["inputs"].items()):
        name = StepName.parse(part)
        folder = store.root / stage / key[:2] / key
        if name.role == stage and name.set != "class" and folder.is_dir():
            yield read_artifact(folder)


def _set(data: Artifact) -> DataSet:
    count = sum(entry.file is not None for entry in read_index(data.path))
    source = data.manifest["spec"]["source"]
    named = {"hub": source.get("id"), "pocket": f"pocket/{source.get('set')}"}
    return DataSet(str(named.get(source["use"]) or "own pictures"), count)


def _trigger(texts: list[Artifact], spec: TrainSpec) -> str:
    prefixes = [each.manifest["spec"].get("caption", {}).get("prefix", "") for each in texts]
    tokens = [token.name for token in spec.train.tokens]
    words = [word for word in prefixes[:1] if word]
    return ", ".join(words + [name for name in tokens if not any(name in word for word in words)])

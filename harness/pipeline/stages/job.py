"""The work of a stage as plain values, so that another process can do it.

A job says which stage it is, what goes in, and which pieces there are. It travels as JSON: in a
file to the processes that `launch` starts, or through an executor to the workers of a pool. The
answers travel as small dictionaries; an error is one of them.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import DeviceError, MissingPrerequisite, TrainingError, UsageError
from harness.interfaces import Page, Progress, Reply, Report, StageContext
from harness.pages.stages import (
    BlameSpec,
    DamageSpec,
    DataSpec,
    DecoysSpec,
    FeaturesSpec,
    GradientsSpec,
    LatentsSpec,
    ProbeSpec,
    SampleSpec,
    SanitySpec,
    ScoreSpec,
    TextsSpec,
    TrainSpec,
)
from harness.pipeline.stages.failures import in_words
from harness.records import StageName

SPECS: Mapping[str, type[Page]] = {
    "data": DataSpec,
    "latents": LatentsSpec,
    "texts": TextsSpec,
    "train": TrainSpec,
    "probe": ProbeSpec,
    "gradients": GradientsSpec,
    "blame": BlameSpec,
    "sample": SampleSpec,
    "decoys": DecoysSpec,
    "damage": DamageSpec,
    "features": FeaturesSpec,
    "sanity": SanitySpec,
    "score": ScoreSpec,
}
"""The stages that another process can do, in pieces or whole, and the type of their spec."""
PIECE_FUNCTIONS: Mapping[str, str] = {
    "latents": "harness.pipeline.stages.latents:piece_encoder",
    "texts": "harness.pipeline.stages.texts:piece_embedder",
    "probe": "harness.pipeline.stages.probe:piece_asker",
    "gradients": "harness.pipeline.stages.gradients:piece_taker",
    "sample": "harness.pipeline.stages.draw:piece_sampler",
    "features": "harness.pipeline.stages.features:piece_extractor",
    "score": "harness.pipeline.stages.score:piece_scorer",
}
"""For each stage that comes in pieces: `module:name` of what `piece_function` calls."""
DoPiece = Callable[[Any], None]
"""Does one piece; what it needs is loaded at the first one."""
_ERRORS = {each.__name__: each for each in (DeviceError, MissingPrerequisite, UsageError)}


@dataclass(frozen=True)
class StageJob:
    """The work of one stage, or some pieces of it."""

    stage: StageName
    spec: Mapping[str, Any]
    folder: str
    inputs: Mapping[str, str]
    device: str
    batch: int
    processes: int
    logs: str | None
    alongside: Sequence[Mapping[str, Any]]
    pieces: Sequence[Any]
    """Empty: every process runs the stage's own function."""
    parent: int
    """The process that waits for the job."""
    machine: str
    """The machine of that process."""
    directory: str
    """Where relative paths of the spec begin."""
    rows: str | None = None
    """Where features are kept by the content of their image."""

    def to_json(self) -> str:
        return json.dumps(vars(self))

    def read_spec(self) -> Page:
        return SPECS[self.stage].model_validate_json(json.dumps(self.spec))

    def context(self, report: Report) -> StageContext:
        """Return the context for the process that does the job."""
        return StageContext(
            folder=Path(self.folder),
            inputs={name: Path(path) for name, path in self.inputs.items()},
            device=self.device,
            report=report,
            batch=self.batch,
            logs=Path(self.logs) if self.logs else None,
            rows=Path(self.rows) if self.rows else None,
            alongside=tuple(
                SPECS["features"].model_validate_json(json.dumps(each)) for each in self.alongside
            ),
        )


def describe(
    stage: StageName, spec: Page, context: StageContext, pieces: Sequence[Any] = ()
) -> StageJob:
    """Return the job that another process needs to do this stage, or these pieces of it."""
    return StageJob(
        stage=stage,
        spec=spec.model_dump(mode="json"),
        folder=str(context.folder.resolve()),
        inputs={name: str(path.resolve()) for name, path in context.inputs.items()},
        device=context.device,
        batch=context.batch,
        processes=context.processes,
        logs=str(context.logs.resolve()) if context.logs else None,
        alongside=[each.model_dump(mode="json") for each in context.alongside],
        pieces=list(pieces),
        parent=os.getpid(),
        machine=platform.node(),
        directory=str(Path.cwd()),
        rows=str(context.rows.resolve()) if context.rows else None,
    )


def piece_function(stage: str, spec: Page, context: StageContext) -> DoPiece:
    """Return the function that does one piece of a stage."""
    module, _, name = PIECE_FUNCTIONS[stage].partition(":")
    function: DoPiece = getattr(importlib.import_module(module), name)(spec, context)

    def do_piece(what: Any) -> None:
        with in_words(spec, context):
            function(what)

    return do_piece


def raise_error(reply: Reply) -> None:
    """Raise the error that a worker replied with, if it did."""
    if "error" in reply:
        kind = _ERRORS.get(reply.get("kind", ""), TrainingError)
        raise kind(reply["error"], hint=reply["hint"])


class ProgressFile:
    """Reports that one process adds to a file, and another reads as they come."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scratch-progress.jsonl"
        self._bytes_read = 0

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)

    def add(self, progress: Progress) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(progress)) + "\n")

    def read_new(self) -> list[Progress]:
        """Return the reports since the last call; a line that is half written waits."""
        if not self._file.is_file():
            return []
        with self._file.open("rb") as stream:
            stream.seek(self._bytes_read)
            text = stream.read()
        text = text[: text.rfind(b"\n") + 1]
        self._bytes_read += len(text)
        return [Progress(**json.loads(line)) for line in text.splitlines()]

"""Look at adapter files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.diffusion.adapter_files.base import BaseWeights
from harness.diffusion.adapter_files.facts import read_facts
from harness.diffusion.adapter_files.fate import judgement_of
from harness.diffusion.adapter_files.summary import document, overlaps
from harness.report.inspection import picture, print_inspection
from harness.report.terminal import printed


@dataclass(frozen=True)
class Inspection:
    """What some adapter files are.

    >>> found = harness.inspect(adapter)
    >>> found.files[0]["format"], found.overlaps
    ('diffusers', ())
    """

    files: tuple[dict[str, Any], ...]
    """The facts of each file, as in the JSON of `harness inspect`."""
    overlaps: tuple[dict[str, Any], ...]
    """How much every two of them overlap."""

    def document(self) -> dict[str, Any]:
        return {"files": list(self.files), "overlaps": list(self.overlaps)}

    def picture(self) -> str:
        """Return an SVG with the change of every block."""
        return picture(self.document())

    def __str__(self) -> str:
        return printed(lambda console: print_inspection(self.document(), console))


def inspect(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, base: str | None = None
) -> Inspection:
    """Say what LoRA files are: kind, base, ranks, change by block, and how much they overlap.

    It needs no GPU and no base; with `base`, a folder or a pocket model, changes are measured
    against its weights.

    >>> harness.inspect(adapter).files[0]["base"]["family"]
    'pocket'
    """
    listed = [files] if isinstance(files, str | os.PathLike) else list(files)
    weights = None if base is None else BaseWeights(base)
    read = [read_facts(Path(file)) for file in listed]
    return Inspection(
        files=tuple(document(each, weights) | {"judgement": judgement_of(each)} for each in read),
        overlaps=tuple(asdict(each) for each in overlaps(read)),
    )

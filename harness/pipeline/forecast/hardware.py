"""Speeds that were measured on a GPU, from the files `reports/hardware/*.json`.

`performance/gpu.py` writes them. Of each file only the constants of a forecast are read, and those
that were not measured are None.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UsageError
from harness.pages.folders import roots
from harness.pipeline.results.read import HARDWARE

FOLDER = Path("reports", HARDWARE)
Speed = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Constants(BaseModel):
    """What a forecast counts with."""

    model_config = ConfigDict(frozen=True)
    name: str
    """The GPU, by its word or as it reports itself."""
    memory_bytes: Annotated[int, Field(gt=0)] | None = None
    training_flops: Speed | None = None
    """FLOPs a second in half precision, over a forward and backward pass."""
    sampling_flops: Speed | None = None
    """The same over forward passes alone."""
    launch_seconds: Speed | None = None
    """Seconds to start the kernels of one forward pass."""


class HardwareFile(BaseModel):
    """The part of a file that is read here."""

    model_config = ConfigDict(frozen=True)
    schema_version: Literal[1]
    card: str
    commit: str | None = None
    forecast: Constants

    @property
    def source(self) -> str:
        """Return where the figures come from, in words."""
        return f"{self.card} at {self.commit[:12]}" if self.commit else self.card


def measured() -> Iterator[HardwareFile]:
    """Yield every file there is: of here, of the checkout, of the package; each name once."""
    seen: set[str] = set()
    for root in roots():
        for file in sorted((root / FOLDER).glob("*.json")):
            if file.name not in seen:
                seen.add(file.name)
                yield _read(file)


def _read(file: Path) -> HardwareFile:
    try:
        return HardwareFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{file} holds no figures of a GPU: {place + ' ' if place else ''}{first['msg']}",
            hint="measure again by `python performance/gpu.py`, or remove the file",
        ) from None

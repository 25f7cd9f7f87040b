"""What a page may say and what a plugin must be.

A plugin is a `Spec`: a small frozen model with one word (`use`) and its options, and the place
of the code that does the work (`implementation`). The spec is cheap to import, so pages are
checked and plugins listed without loading a network library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harness.quarrels import Quarrel

Array = NDArray[np.float64]


class Page(BaseModel):
    """A frozen part of a page: no unknown keys, no silent conversions."""

    outside_key: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result, such as a place on this machine."""
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class Spec(Page):
    """One word in YAML that names a plugin, with the plugin's own options."""

    implementation: ClassVar[str]
    """`module:name` of the code behind the word."""
    summary: ClassVar[str] = ""
    version: ClassVar[int] = 1
    """Raised whenever the same options would give another result; part of every key."""
    use: str

    def fingerprint(self) -> dict[str, Any]:
        """Return what of this spec goes into keys and signatures."""
        return {**self.model_dump(mode="json"), "version": self.version}


class ExtractorSpec(Spec):
    """Images (or texts) to features."""


class MetricSpec(Spec):
    """Features to scores."""

    higher_is_better: ClassVar[bool]
    needs_reference: ClassVar[bool] = False
    biased_by_n: ClassVar[bool] = False
    """Whether N belongs into the metric's name, because it moves the value."""

    def extractors(self) -> tuple[ExtractorSpec, ...]:
        """Return the extractors whose features this metric reads."""
        raise TypeError(f"{type(self).__name__} does not say which features it reads")

    def label(self, n: int) -> str:
        return f"{self.use}@n={n}" if self.biased_by_n else self.use


Sight = Literal["number", "tensor", "everything"]
"""A number's own past, its tensor, or more; in the last case processes do not shard weights."""


class OptimizerSpec(Spec):
    """How parameters move."""

    needs_cuda: ClassVar[bool] = False
    scheduled: ClassVar[bool] = True
    """Whether its rate may follow a schedule."""
    sees: ClassVar[Sight] = "everything"
    """What the next move of a number depends on."""

    def quarrel(
        self,
        rate: float,
        text_encoder_rates: tuple[float, float] | None,
        token_rate: float | None = None,
    ) -> Quarrel | None:
        """Return what is wrong with a phase's rates for this optimizer, if anything."""
        return None


class SourceSpec(Spec):
    """Where pictures and captions come from."""

    def size(self) -> int | None:
        """Return how many pictures there are, where that is known without loading them."""
        return None


class ExecutorSpec(Spec):
    """Who does the work."""


@dataclass(frozen=True)
class Picture:
    """One picture of a data source: where to get its pixels, and what is known of it."""

    id: str
    open: Callable[[], Any]
    """Returns a PIL image; called only for pictures that are kept."""
    text: str
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None
    """What a booru knows: rating, score, aesthetic, year, width, height."""
    captions: tuple[str, ...] = ()
    """Every caption, where there are several; `text` is the first of them."""
    weight: float = 1.0
    """How much its loss counts."""


class Source(Protocol):
    """The code behind a `SourceSpec`."""

    def __call__(self, spec: Any) -> Iterator[Picture]: ...


@dataclass(frozen=True)
class FeatureSet:
    """What a metric sees of one set of images, row by row beside its prompt."""

    images: Array
    prompts: Sequence[str]
    prompt_ids: Sequence[str]
    seeds: Sequence[int]
    texts: Array | None = None
    """One text feature an image, where the extractor reads text too."""


@dataclass(frozen=True)
class Measurement:
    """What a metric says: one value with its interval, and a value an image where there is one."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    samples: Array | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a step has come."""

    done: int
    total: int
    note: str = ""
    facts: Mapping[str, Any] | None = None
    """Figures for the store's log, such as loss and rate; a bar does not show them."""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Workplace:
    """All a stage may know of where it runs; none of it may change what it makes."""

    folder: Path
    """Write here, and only here; the folder survives a kill and is found again as it was left."""
    inputs: Mapping[str, Path]
    device: str = "cpu"
    report: Report = silent
    batch: int = 16
    processes: int = 1
    """How many processes may share the work."""
    rank: int | None = None
    """Which of them this is; None for the one that asked the others."""
    logs: Path | None = None
    """Where logs go that are no part of what is made."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a stage wants to have in the provenance of its artifact."""

"""What a page may say and what a plugin must be.

A plugin is a `Spec`: a small frozen model with one word (`use`) and its options, and the place
of the code that does the work (`implementation`). The spec is cheap to import, so pages are
checked and plugins listed without loading a network library.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from harness.conflicts import Conflict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"


_OLD_NAMES = {
    "feels": "must_detect",
    "bent": "by_exchange",
    "sees": "state_scope",
    "quarrel": "conflict",
}
"""What a spec once set, and the name that counts now. The old one still works, with a warning."""


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
    """The word that names the plugin."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for old in _OLD_NAMES.keys() & vars(cls).keys():
            new = _OLD_NAMES[old]
            message = f"{cls.__module__}.{cls.__qualname__}: rename {old} to {new}"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            setattr(cls, new, vars(cls)[old])

    def fingerprint(self) -> dict[str, Any]:
        """Return what of this spec goes into keys and signatures."""
        return {**self.model_dump(mode="json"), "version": self.version}


class ExtractorSpec(Spec):
    """Images, and prompts where it reads them, to features."""

    reads_text: ClassVar[bool] = False
    """Whether it turns prompts into features too, apart from the images."""
    reads_prompt: ClassVar[bool] = False
    """Whether what it says of an image depends on the prompt."""

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        """Return each repository of the hub that it reads, with the revision that the page names.

        Loads no network library. Their commits stand in results, and in their signatures.
        """
        return ()

    def engine(self) -> str | None:
        """Return what computes it on a CPU, where that is not torch's own layers."""
        return None


Drawn = Literal["sample", "bare", "captions"]
"""Images that a recipe draws: of the benchmark's prompts; of prompts without its own words; and
of captions that recipes learn from."""
Side = Literal[
    "reference", "damaged", "originals", "decoys", "base", "bare", "bare-base", "captions"
]
"""What a sample is compared with: real pictures that no recipe trains on; the same in known bad
states; pictures that recipes train on; pictures in other styles, and spoiled ones, whose words say
their kind; the base model at the same prompts and seeds; images of other prompts, the base's too
for bare ones."""
Family = Literal[
    "fidelity", "prompt", "quality", "style", "diversity", "copying", "broken", "probe"
]


class MetricSpec(Spec):
    """Features to scores."""

    higher_is_better: ClassVar[bool]
    family: ClassVar[Family]
    judges: ClassVar[Drawn] = "sample"
    """Which images it judges."""
    reads: ClassVar[tuple[Side, ...]] = ()
    """What it needs beside the images themselves."""
    may_read: ClassVar[tuple[Side, ...]] = ()
    """What it looks at too, where it is there."""
    must_detect: ClassVar[tuple[str, ...]] = ()
    """The damages of a sanity card that it must find worse than real pictures."""
    by_exchange: ClassVar[bool] = False
    """Whether two results are compared by exchanging their images, if these are stored. For metrics
    whose pseudo-values per prompt say too little."""
    exchange: ClassVar[str | None] = None
    """`module:name` of a function of this spec, both results' features and the sides. It returns a
    function of the rows that are exchanged, which gives the values of both, or None where the
    metric has no value; without it each exchange measures anew."""
    biased_by_n: ClassVar[bool] = False
    """Whether N belongs into the metric's name, because it moves the value."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] | None = None
    """Another name for the column, if a benchmark has the same metric twice."""

    @property
    def column(self) -> str:
        return self.name or self.use

    def extractor(self) -> ExtractorSpec:
        """Return the extractor whose features this metric reads."""
        extractor = getattr(self, "features", None)
        if not isinstance(extractor, ExtractorSpec):
            raise TypeError(f"{type(self).__name__} does not say which features it reads")
        return extractor

    def label(self, n: int) -> str:
        return f"{self.column}@n={n}" if self.biased_by_n else self.column


StateScope = Literal["number", "tensor", "everything"]
"""What an optimizer's state of one number depends on: that number, its tensor, or more. Processes
shard weights only for the first two."""


class OptimizerSpec(Spec):
    """How parameters move."""

    needs_cuda: ClassVar[bool] = False
    scheduled: ClassVar[bool] = True
    """Whether its rate may follow a schedule."""
    state_scope: ClassVar[StateScope] = "everything"
    """What its state of one number depends on."""

    def conflict(
        self,
        rate: float,
        text_encoder_rates: tuple[float, float] | None,
        token_rate: float | None = None,
    ) -> Conflict | None:
        """Return what is wrong with a phase's rates for this optimizer, if anything."""
        return None


class SourceSpec(Spec):
    """Where pictures and captions come from."""

    table: ClassVar[str | None] = None
    """`module:name` of a `Table`, where words and facts can be had without passing by pictures."""

    def size(self) -> int | None:
        """Return how many pictures there are, where that is known without loading them."""
        return None

    def card(self) -> Path | None:
        """Return where the set's card would be, which names its licence."""
        return None


class ExecutorSpec(Spec):
    """Where steps run."""

    together: ClassVar[bool] = False
    """Whether it takes the steps of several plans at once."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """How many processes it may use; if left out, as many as there is room for."""


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
    read: Callable[[], bytes] | None = None
    """Returns the bytes of its file, where it is one and not drawn on the spot."""
    name: str = ""
    """What its file is called, where it is known."""


class Source(Protocol):
    """The code behind a `SourceSpec`."""

    def __call__(self, spec: Any) -> Iterator[Picture]: ...


class Table(Protocol):
    """A source's rows without their pictures: record batches of pyarrow, all of one schema.

    The columns are `id`, `text`, `tags` (a list of strings) and then one a fact.
    """

    def __call__(self, spec: Any) -> Iterator[Any]: ...


Rows = Mapping[str, "NDArray[np.float32]"]
"""Named features, one row an image (or a text) each."""


See = Callable[[Sequence[Any], Sequence[str]], Rows]
Read = Callable[[Sequence[str]], Rows]


@dataclass(frozen=True)
class SplitNetwork:
    """What a network does with images alone, in parts: the first two run ahead of the third."""

    prepare: Callable[[Any], Any]
    """Turns a PIL image into an input; called in several threads."""
    gather: Callable[[Sequence[Any]], Any]
    """Turns the inputs of a batch into one, on the device; called in one other thread."""
    compute: Callable[[Any], Rows]
    """Turns a gathered batch into rows named `images` and as it likes."""

    def see(self, pictures: Sequence[Any]) -> Rows:
        """Do all parts, one after the other."""
        return self.compute(self.gather([self.prepare(picture) for picture in pictures]))


@dataclass(frozen=True)
class Network:
    """The code behind an `ExtractorSpec`, loaded: what it sees in pictures, reads in texts.

    `see` is given each picture's prompt too; its rows are named `images` and as it likes.
    `read` gives rows named `texts` and as it likes, for prompts alone. `split` is `see` in parts,
    for a network that needs no prompts there; a GPU waits less for it.
    """

    see: See
    read: Read | None = None
    split: SplitNetwork | None = None


@dataclass(frozen=True)
class FeatureSet:
    """What a metric sees of one set of images, row by row beside its prompt."""

    images: Array
    prompts: Sequence[str]
    prompt_ids: Sequence[str]
    seeds: Sequence[int]
    texts: Array | None = None
    """One text feature an image, where the extractor reads text too."""
    more: Mapping[str, Array] = field(default_factory=dict)
    """Whatever else the extractor says, by name, one row an image."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64]) -> FeatureSet:
        """Return some of the rows, in the order asked for."""
        return FeatureSet(
            self.images[rows],
            [self.prompts[row] for row in rows],
            [self.prompt_ids[row] for row in rows],
            [self.seeds[row] for row in rows],
            None if self.texts is None else self.texts[rows],
            {name: values[rows] for name, values in self.more.items()},
        )


@dataclass(frozen=True)
class Evidence:
    """The images to be judged, and what they are compared with, in one extractor's features."""

    own: FeatureSet
    sides: Mapping[Side, FeatureSet] = field(default_factory=dict)

    def __getitem__(self, side: Side) -> FeatureSet:
        return self.sides[side]


@dataclass(frozen=True)
class Pair:
    """An image and the picture it is nearest to, as rows of `own` and of one side."""

    row: int
    other: int
    likeness: float


@dataclass(frozen=True)
class Likeness:
    """How near each image comes to the nearest picture of a side, and what that compares with."""

    images: Array
    others: NDArray[np.int64]
    """The row of the side's picture that each image is nearest to."""
    null: Array
    """How near pictures come that copy nothing."""
    threshold: float


@dataclass(frozen=True)
class Measurement:
    """What a metric says: one value with its interval, and what the value is made of."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    samples: Array | None = None
    """A value an image, for metrics that are a mean over images."""
    prompts: Array | None = None
    """A jackknife pseudo-value a prompt, in order of first appearance: the interval is theirs."""
    prompt_ids: tuple[str, ...] | None = None
    """Whose pseudo-values they are, where it is not the images' own prompts that count."""
    reason: str | None = None
    notes: tuple[str, ...] = ()
    """What a reader of the value should know, such as prompts that were cut."""
    flag: str | None = None
    """A finding that no good value can outweigh, such as copied pictures."""
    pairs: tuple[Pair, ...] = ()
    """The worst pairs of an image and a side's picture, worst first."""
    likeness: Likeness | None = None
    """What a copy rate was counted from."""


@dataclass(frozen=True)
class Progress:
    """How far a step has come."""

    done: int
    total: int
    note: str = ""
    facts: Mapping[str, Any] | None = None
    """Figures for the store's log, such as loss and rate; a bar does not show them."""
    alerts: tuple[str, ...] = ()
    """What a person should know now, in sentences."""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class PoolJob:
    """Work for a pool, in pieces: each may be done anywhere, in any order, and even twice."""

    title: str
    opening: str
    """`module:name` of a function that takes `document` and returns a function of one piece."""
    document: str
    """JSON: all that a worker may know of the job."""
    cuda: bool = False
    """Whether a piece needs a GPU."""


Reply = dict[str, Any]
OnReply = Callable[[int | None, Reply], None]
"""Takes the number of a piece and its reply; a call without a number lets the caller stop."""


class WorkerPool(Protocol):
    """Processes that an executor keeps for work that comes in pieces."""

    def takes(self, stage: str) -> Literal["whole", "pieces", "nothing"]:
        """Return what workers do of a stage: all of it, its pieces, or nothing."""

    def facts(self) -> dict[str, Any]:
        """Return what the provenance of a step says of who made it."""

    def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
        """Have every piece done, and return when the last one is."""


@dataclass(frozen=True)
class StageContext:
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
    rows: Path | None = None
    """Where features are kept by the content of their image; None: nowhere."""
    pool: WorkerPool | None = None
    """The workers that the executor lends for work in pieces; None: this process does all."""
    alongside: tuple[Page, ...] = ()
    """What other steps will ask of the same images, for one pass to answer all."""

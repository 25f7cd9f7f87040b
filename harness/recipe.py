"""A recipe: what to train, or what to load. It knows nothing of how it will be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from harness import pages, plugins
from harness.interfaces import Page

Rate = Annotated[float, Field(gt=0, le=10)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Base(Page):
    """The model that everything starts from, and that rows of a leaderboard share."""

    model: str = Field(min_length=1)
    revision: str | None = None
    vae: str | None = None
    """Another VAE in place of the base's own."""


class Load(Page):
    """Weights that are already trained: a whole model, or an adapter on the base."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"adapter"})
    model: str | None = None
    adapter: str | None = None
    """A file; its digest is in the key, its place is not."""
    revision: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.model is None) == (self.adapter is None):
            raise ValueError("names exactly one of model and adapter")
        return self


class Bound(Page):
    """One step of a scale: the first bound that a value reaches names it."""

    tag: str
    at_least: float | None = None
    above: float | None = None

    def holds(self, value: float) -> bool:
        if self.at_least is not None:
            return value >= self.at_least
        return self.above is None or value > self.above


class Curate(Page):
    """Which rows of the source are kept."""

    min_side: Count | None = None
    aspect: tuple[float, float] | None = None
    ratings: tuple[str, ...] | None = None
    limit: Count | None = None
    """Keep only the first rows that pass."""


class Caption(Page):
    """How a row's words become the text that is trained on."""

    words: Literal["caption", "tags", "tags+caption", "none"] = "caption"
    prefix: str = ""
    """An instance prompt or quality words; the row's own words follow after a comma."""
    important: tuple[str, ...] | None = None
    """Of the row's tags, only these; written with underscores or spaces."""
    score_tags: tuple[Bound, ...] = ()
    aesthetic_tags: tuple[Bound, ...] = ()
    rating_tags: dict[str, str] = {}
    year: bool = False
    dropout: Share = 0.0


class Data(Page):
    """Pictures and their words."""

    source: plugins.union("sources")  # type: ignore[valid-type]
    booster: plugins.union("sources") | None = None  # type: ignore[valid-type]
    """A second set, mixed in whole."""
    curate: Curate = Curate()
    caption: Caption = Caption()


class Adapter(Page):
    """The shape of a LoRA."""

    rank: Count
    alpha: Annotated[float, Field(gt=0)] | None = None
    """Scale is alpha / rank; alpha is the rank where it is not given."""
    dropout: Share = 0.0
    targets: Literal["attention", "attention+ff"] = "attention"

    @property
    def effective_alpha(self) -> float:
        return float(self.rank) if self.alpha is None else self.alpha


class Phase(Page):
    """One stretch of training; each goes on from the weights of the last."""

    steps: Count
    """Optimizer steps."""
    rate: Rate
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    text_encoder_rates: tuple[Rate, Rate] | None = None
    """The rates of both text encoders, where they are trained."""
    curate: Curate | None = None
    """Another choice of rows for this phase alone."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup ({self.warmup}) must end before steps ({self.steps}) do")
        return self


class Buckets(Page):
    """Several shapes of one area, in place of one square."""

    step: Count = 64
    longest: Count
    shortest: Count


class Prior(Page):
    """Class images that keep the base's own idea of a subject (DreamBooth)."""

    prompt: str
    images: Count
    weight: Annotated[float, Field(gt=0)] = 1.0


class Train(Page):
    """The training run, figure by figure."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"checkpoint_every"})
    method: Literal["lora", "full"]
    adapter: Adapter | None = None
    adapter_dtype: Literal["float32", "bfloat16"] = "float32"
    """float32 keeps small updates; bfloat16 is what the official script does in bf16."""
    resolution: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    crop: Literal["center", "random"] = "center"
    flip: bool = False
    buckets: Buckets | None = None
    batch: Count
    accumulation: Count = 1
    processes: Count = 1
    optimizer: plugins.union("optimizers")  # type: ignore[valid-type]
    phases: tuple[Phase, ...] = Field(min_length=1)
    lr_schedule_unit: Literal["optimizer-step", "diffusers-legacy"] = "optimizer-step"
    """diffusers-legacy stretches schedule and warm-up by the accumulation, as its script does."""
    snr_gamma: Annotated[float, Field(gt=0)] | None = None
    noise_offset: Annotated[float, Field(ge=0)] = 0.0
    prior: Prior | None = None
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    gradient_checkpointing: bool = False
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    checkpoint_every: Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.method == "lora") != (self.adapter is not None):
            raise ValueError("method lora needs an adapter, method full has none")
        for number, phase in enumerate(self.phases):
            problem = self.optimizer.quarrel(phase.rate, phase.text_encoder_rates)
            if problem:
                raise ValueError(f"phases[{number}]: {problem}")
        return self

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def beyond(self) -> tuple[str, ...]:
        """Return what the page asks for and the trainer refuses to leave out in silence."""
        asked = {
            "train.buckets (several shapes)": self.buckets is not None,
            "train.prior (class images)": self.prior is not None,
            "train.processes (several GPUs)": self.processes > 1,
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)

    @property
    def effective_batch(self) -> int:
        return self.batch * self.accumulation * self.processes


class Prompting(Page):
    """What the recipe's maker puts around every prompt, such as a trigger or quality words."""

    prefix: str = ""
    suffix: str = ""

    def apply(self, prompt: str) -> str:
        return ", ".join(part for part in (self.prefix, prompt, self.suffix) if part)


class Recipe(Page):
    """What is trained or loaded, under one name."""

    schema_version: Literal[1] = 1
    name: Name
    summary: str = Field(min_length=1, max_length=200)
    origin: str | None = None
    """Where the figures come from."""
    hardware: str | None = None
    """What the source names as needed."""
    base: Base
    load: Load | None = None
    data: Data | None = None
    train: Train | None = None
    prompting: Prompting = Prompting()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.train is not None and self.load is not None:
            raise ValueError("a recipe trains or loads, not both: drop train or load")
        if self.train is not None and self.data is None:
            raise ValueError("train needs data to learn from: add data")
        return self

    def with_seed(self, seed: int) -> Recipe:
        """Return the same recipe with another training seed."""
        if self.train is None:
            return self
        train = self.train.model_copy(update={"seed": seed})
        return self.model_copy(update={"train": train})


def load(name: str | Path) -> Recipe:
    """Return the recipe called `name`, or the one in the file `name`."""
    file = pages.find("recipe", str(name))
    return pages.load(Recipe, file)

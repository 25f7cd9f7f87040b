"""What each stage is told: plain frozen values, all of which go into the step's key."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness import plugins
from harness.interfaces import Page
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.data import Booster, Caption, Curate, Recaption
from harness.pages.decoding import Reading
from harness.pages.defaults import MEGAPIXELS
from harness.pages.recipe import Base, Load, Prompting
from harness.pages.split import Split
from harness.pages.train import Buckets, Token, Train
from harness.pages.validation import HeldShare

Pins = dict[str, dict[str, str]]
"""Digests of the models a spec names, for those that have one."""


class DataSpec(Page):
    """Collect pictures and what is known of them; captions are written later, by `texts`."""

    source: plugins.Source
    booster: plugins.Source | None = None
    part: Split = "all"
    curate: Curate = Curate()
    square: int | None = None
    """Crop to the middle square and resize to this, for pictures that are only looked at."""
    boosters: tuple[Booster, ...] = ()
    recaption: Recaption | None = None
    without: tuple[str, ...] = ()
    """The ids of rows that are left out."""
    reading: Reading = Reading()
    validation: HeldShare | None = None
    """A share of the rows that is held out of training; None: no row is."""


class LatentsSpec(Page):
    """Turn pictures into latents. What the VAE is, and nothing else of the base, is in the key."""

    vae: Base
    pins: Pins
    resolution: int
    crop: str
    flip: bool
    buckets: Buckets | None = None


class TextsSpec(Page):
    """Write captions, and turn them into embeddings where the text encoders rest."""

    caption: Caption = Caption()
    base: Base | None = None
    """Whose encoders embed them now; None where they are trained and must read afresh."""
    pins: Pins = {}
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """The numbers that the encoders compute in on a GPU; embeddings are kept in fp16."""


class TrainSpec(Page):
    """Train an adapter or a whole model."""

    base: Base
    pins: Pins
    train: Train
    phase_sets: tuple[int, ...]
    """For each phase, the number of the set it trains on."""
    caption_dropouts: tuple[float, ...]
    """For each set, how often a sample is shown without its words."""
    chunks: int = 1
    """Windows of 75 tokens that every caption fills."""


class ProbeSpec(Page):
    """Ask a base and every kept checkpoint about the same pictures under the same noise."""

    base: Base
    pins: Pins
    checkpoints: tuple[int, ...] = ()
    """The steps of the checkpoints that are asked, before the end."""
    steps: int
    """The step at the end of training."""
    prediction: str | None = None
    """What the UNet was trained to say, where that is not what its base says."""
    zero_terminal_snr: bool = False
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    reads_text: bool = False
    """Whether captions are embedded by the trained text encoders; else the stored embeddings."""
    tokens: tuple[Token, ...] = ()
    """New words that the trained text encoders know, and the base does not."""
    chunks: int = 1
    sets: int = 1
    """How many sets were trained on."""
    rows: int
    """How many pictures are asked about at most, on each side."""
    timesteps: int
    noises: int = 1


class GradientsSpec(Page):
    """Take the gradients of pictures' losses by the weights of an adapter, at its checkpoints."""

    base: Base
    pins: Pins
    train: Train
    checkpoints: tuple[int, ...]
    """The steps of the checkpoints; the last step of training stands for its end."""
    chunks: int = 1
    timesteps: int = 4
    """How many timesteps every picture is asked about, spread evenly."""
    noises: int = 1
    """How many noises every picture is asked about at each timestep."""
    dimensions: int = 2048
    """The numbers that are kept of each gradient."""


class BlameSpec(Page):
    """Say of every training picture how far it helped with what is asked."""

    rates: tuple[tuple[float, ...], ...]
    """For each set, the learning rates up to each checkpoint, from the one before it, added up."""
    timesteps: int = 4


class SampleSpec(Page):
    """Draw one image a prompt and seed; each from its own noise."""

    base: Base
    pins: Pins
    load: Load | None = None
    adapter_digest: str | None = None
    checkpoint: int | None = None
    """Judge the adapter as it was after this step; None: as it is at the end."""
    prediction: str | None = None
    """What the UNet was trained to say, where that is not what its base says."""
    zero_terminal_snr: bool = False
    prompting: Prompting = Prompting()
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    sampler: Sampler


class SuppliedImage(Page):
    """One image that is expected, and what it answers."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"file"})
    file: str
    """Relative to the folder. A name is no content: images are known by their bytes."""
    prompt_id: str
    seed: int
    text: str
    content: str
    """Digest of the file's bytes; where there are none, its name, which is all that is known."""
    reason: str | None = None
    """Why its prompt is not known; such an image is named and not scored."""


class SuppliedSpec(Page):
    """Take images that were made elsewhere, as they are."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"folder", "as_asked"})
    folder: str
    as_asked: bool = False
    """Whether they answer the benchmark's own prompts and seeds."""
    rules: int = 1
    """The version of the rules by which the files become pictures."""
    megapixels: float = MEGAPIXELS
    """An image with more is named and not decoded."""
    square: int | None = None
    """Crop images to the middle square, and resize them to so many pixels a side, as real ones."""
    entries: tuple[SuppliedImage, ...]


Treatment = Literal[
    "none",
    "blur",
    "jpeg",
    "noise",
    "grey",
    "black",
    "patches",
    "smears",
    "shuffled",
    "collapsed",
    "mixed",
]


class TreatSpec(Page):
    """Real pictures in a known bad state, or as they are, with what is known of them as prompts."""

    treatment: Treatment = "none"
    half: Literal[0, 1] | None = None
    """Take every other picture, the first half or the second; None: all of them."""
    count: int | None = None
    """Take no more than this."""
    seeds: int = 1
    """How many pictures in a row stand for the seeds of one prompt."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Which share of the pictures is taken from the other input."""


MOST_DECOYS = 200
"""Pictures of each other style, and spoiled ones, that a probe learns from at most."""


class DecoysSpec(Page):
    """Collect pictures that are not in the reference's style, and real ones that are spoiled."""

    count: int
    """How many of each other style it takes at most, and how many spoiled pictures in all."""


class DamageSpec(Page):
    """Real pictures, each in several known bad states."""

    kinds: tuple[Treatment, ...] = ("blur", "jpeg", "noise", "patches", "smears", "black")
    """The damages, each of which is done to every picture."""
    count: int = 80
    """How many of the pictures are damaged at most, evenly spread."""
    largest: int = 256
    """Larger pictures are made as small as this first, for damage takes time with their square."""


class FeaturesSpec(Page):
    """Run one extractor over the images of one folder."""

    extractor: plugins.Extractor


class SanitySpec(Page):
    """Damage real pictures in known ways, and ask every metric of a benchmark about them."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"unavailable"})
    metrics: tuple[plugins.Metric, ...]
    count: int
    """How many pictures each set holds at most: as many as a recipe draws."""
    seeds: int = 1
    """How many of the pictures in another style answer one prompt."""
    unavailable: dict[str, str] = {}
    """Why an extractor's features are not to be had; that they are not is in the inputs."""


class ScoreSpec(Page):
    """Compute every metric of a benchmark from features that are already there."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"unavailable"})
    metrics: tuple[plugins.Metric, ...]
    unavailable: dict[str, str] = {}
    """Why an extractor's features are not to be had; that they are not is in the inputs."""

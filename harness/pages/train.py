"""How a recipe trains; fields that contradict each other are refused here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness import plugins
from harness.conflicts import Conflict, refuse
from harness.interfaces import Page
from harness.pages.data import Count, Curate, Data, Share
from harness.pages.split import Split
from harness.pages.validation import Validation

Rate = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Schedule = Literal["constant", "linear", "cosine", "cosine-restarts", "polynomial", "rex"]
TARGETS = ("attention", "attention+ff")


class Adapter(Page):
    """The shape of a LoRA, or of another kind of adapter."""

    use: Literal["lora", "lokr", "loha", "oft", "ia3"] = "lora"
    """The kind: lora; lokr, a Kronecker product (arXiv:2309.14859); loha, a product number by
    number of two (arXiv:2108.06098); oft, rotations of a layer's inputs (arXiv:2306.07280); ia3,
    one factor for each input (arXiv:2205.05638)."""
    rank: Count
    """The rank of each pair of matrices. Of oft, the side of each block that is rotated; of ia3,
    which has none, 1."""
    factor: Annotated[int, Field(ge=2)] | None = None
    """Of lokr: the side of the smaller of both factors, at most; if left out, both are as near to
    each other as they can be."""
    decompose_both: bool = False
    """Of lokr: make the smaller factor a product of two matrices, too."""
    alpha: Positive | None = None
    """The adapter is scaled by alpha / rank; if left out, alpha is the rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the adapter's inputs that is dropped in training; 0 drops none."""
    targets: str = "attention"
    """attention, attention+ff, or a regular expression over the names of the UNet's layers."""
    ranks: dict[str, Count] = {}
    """Another rank where a layer's name matches, as `mid_block: 32`."""
    dora: bool = False
    """DoRA: learn direction and magnitude of each weight separately (arXiv:2402.09353)."""
    rslora: bool = False
    """Scale by alpha / √rank, not alpha / rank (arXiv:2312.03732)."""

    @field_validator("targets")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        return _compiled(value)

    @field_validator("ranks")
    @classmethod
    def _are_patterns(cls, value: dict[str, int]) -> dict[str, int]:
        for pattern in value:
            _compiled(pattern)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse(self._conflicts())
        return self

    def _conflicts(self) -> Iterator[Conflict]:
        if self.use != "lokr":
            for name in ("factor", "decompose_both"):
                if getattr(self, name):
                    yield Conflict((name,), f"belongs to lokr, not to {self.use}")
        if self.use == "lora":
            return
        for name in ("dropout", "ranks", "dora", "rslora"):
            if getattr(self, name):
                yield Conflict((name,), f"belongs to lora, not to {self.use}")
        if self.alpha is not None and self.use in ("oft", "ia3"):
            yield Conflict(("alpha",), f"scales a product, and {self.use} has none")
        if self.use == "ia3" and self.rank != 1:
            yield Conflict(("rank",), f"({self.rank}) must be 1: ia3 has one factor an input")
        if self.use == "oft" and self.rank < 2:
            yield Conflict(("rank",), "must be 2 or more: a block of 1 cannot be rotated")

    @property
    def effective_alpha(self) -> float:
        return float(self.rank) if self.alpha is None else self.alpha


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return pattern


class Phase(Page):
    """One stretch of training; each goes on from the weights of the last."""

    steps: Count
    """Optimizer steps."""
    rate: Rate
    """The learning rate at its highest."""
    schedule: Schedule = "constant"
    """How the rate changes over the phase."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps in which the rate rises from 0; 0 for none."""
    cycles: Count = 1
    """How often cosine-restarts starts again."""
    power: Positive = 1.0
    """The exponent of the polynomial schedule."""
    floor: Share = 0.0
    """The share of the rate at which a falling schedule ends."""
    text_encoder_rates: tuple[Rate, Rate] | None = None
    """The learning rates of both text encoders; if left out, they are not trained in this phase."""
    token_rate: Rate | None = None
    """The learning rate of new tokens; if left out, they are not trained in this phase."""
    curate: Curate | None = None
    """Other rules that choose rows, for this phase alone."""
    part: Split | None = None
    """Another split of the rows for this phase alone."""
    source: plugins.Source | None = None
    """Another set of pictures for this phase alone, captioned by the same rules."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse(self._conflicts())
        return self

    def of(self, data: Data) -> Data:
        """Return what this phase learns from, where the recipe as a whole learns from `data`."""
        changes: dict[str, object] = {}
        if self.source is not None:
            changes |= {
                "source": self.source,
                "booster": None,
                "boosters": (),
                "curate": Curate(),
                "recaption": None,
                "without": (),
            }
        if self.curate is not None:
            changes["curate"] = self.curate
        if self.part is not None:
            changes["part"] = self.part
        return data.model_copy(update=changes)

    def _conflicts(self) -> Iterator[Conflict]:
        if self.warmup >= self.steps:
            message = f"({self.warmup}) must end before steps ({self.steps}) do"
            yield Conflict(("warmup",), message)
        if self.cycles > 1 and self.schedule != "cosine-restarts":
            yield Conflict(("cycles",), f"belongs to cosine-restarts, not to {self.schedule}")
        if self.power != 1 and self.schedule != "polynomial":
            yield Conflict(("power",), f"belongs to polynomial, not to {self.schedule}")
        if self.floor and self.schedule == "constant":
            yield Conflict(("floor",), "belongs to a schedule that falls, not to constant")


class Buckets(Page):
    """Several shapes of one area, in place of one square."""

    step: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    """Sides are multiples of this many pixels."""
    longest: Count
    """The longest side in pixels."""
    shortest: Count
    """The shortest side in pixels."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest > self.longest:
            message = f"({self.shortest}) is longer than longest ({self.longest})"
            refuse([Conflict(("shortest",), message)])
        return self


class Prior(Page):
    """Class images, drawn by the base, that keep its own idea of a subject (DreamBooth)."""

    prompt: str = Field(min_length=1)
    """The prompt that the base draws class images of."""
    images: Count
    """How many class images there are."""
    weight: Positive = 1.0
    """The weight of the class images' loss."""
    size: Annotated[int, Field(ge=32, le=4096, multiple_of=8)] | None = None
    """The side in pixels at which a class image is drawn; if left out, the size that the base was
    made for. Training cuts class images to its resolution, as all pictures."""
    sampler_steps: Count = 30
    """Sampler steps of a class image."""
    guidance: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 5.0
    """The weight of classifier-free guidance for class images."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of the class images."""


class Token(Page):
    """A new word whose embedding is learned beside the adapter (textual inversion)."""

    name: Annotated[str, Field(pattern=r"^<[a-z0-9][a-z0-9-]*>$")]
    """The new word, in angle brackets, as `<ink>`."""
    vectors: Annotated[int, Field(ge=1, le=16)] = 2
    """Embeddings that the word stands for in each text encoder."""
    initializer: str | None = None
    """A known word to start from; if left out, random at the vocabulary's own spread."""


class Ema(Page):
    """A running mean of the weights, which is what is exported."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.9999
    """The share of the mean that stays at each step."""


class Huber(Page):
    """A loss that is square near zero and straight further out."""

    delta: Positive = 0.1
    """Where the loss turns from square to straight."""
    schedule: Literal["constant", "snr", "exponential"] = "snr"
    """How `delta` changes with the noise."""


class Train(Page):
    """How to train."""

    outside_key: ClassVar[frozenset[str]] = frozenset(
        {
            "tracker",
            "gradient_checkpointing",
            "attention_slicing",
            "validation",
            "validate_every",
        }
    )
    method: Literal["lora", "full"]
    """lora trains an adapter on the base, full trains the base's own weights."""
    adapter: Adapter | None = None
    """The shape of the LoRA; only for method lora, which needs it."""
    adapter_dtype: Literal["float32", "bfloat16"] = "float32"
    """float32 keeps small updates; bfloat16 is what the official script does in bf16."""
    tokens: tuple[Token, ...] = ()
    """New words to learn beside a LoRA; none by default."""
    resolution: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    """The side in pixels of the square that pictures are cut to."""
    crop: Literal["center", "random"] = "center"
    """Where the square is cut from a picture."""
    flip: bool = False
    """Mirror pictures at random."""
    buckets: Buckets | None = None
    """Several shapes in place of one square; none by default."""
    batch: Count
    """Pictures that a process reads at a time."""
    accumulation: Count = 1
    """Batches whose gradients are added up for one optimizer step."""
    processes: Count = 1
    """Processes of the source's run: the effective batch is batch × accumulation × processes."""
    optimizer: plugins.Optimizer
    """The rule that moves the weights, and its options."""
    phases: tuple[Phase, ...] = Field(min_length=1)
    """Stretches of training, one after the other."""
    lr_schedule_unit: Literal["optimizer-step", "diffusers-legacy"] = "optimizer-step"
    """diffusers-legacy multiplies schedule and warm-up by the accumulation, as its script does."""
    prediction: Literal["epsilon", "v_prediction"] | None = None
    """What the UNet predicts; if left out, the same as its base."""
    zero_terminal_snr: bool = False
    """Let the last step be pure noise (arXiv:2305.08891)."""
    snr_gamma: Positive | None = None
    """γ of min-SNR weights (arXiv:2303.09556); all steps weigh the same if left out."""
    snr_form: Literal["paper", "dreambooth-v", "unclamped"] = "paper"
    """paper: min(SNR, γ)/SNR, for v /(SNR + 1). dreambooth-v: min(SNR, γ)/SNR + 1 for v, as five
    official scripts have it. unclamped: γ/SNR."""
    debiased: bool = False
    """Weight the loss by 1/√SNR (arXiv:2310.08442)."""
    huber: Huber | None = None
    """A Huber loss in place of the squared one."""
    noise_offset: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The strength of noise that is the same for a whole channel; 0 for none."""
    input_perturbation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Extra noise on the UNet's input and not on its target (arXiv:2301.11706); 0 for none."""
    prior: Prior | None = None
    """Class images that keep the base's idea of a subject; none by default."""
    ema: Ema | None = None
    """Export a running mean of the weights; none by default."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """The numbers that the networks compute in."""
    gradient_checkpointing: bool | Annotated[int, Field(ge=2)] = False
    """true: every block; 2: every second one; false: none. It saves memory and costs time; results
    stay the same."""
    attention_slicing: bool = False
    """Compute attention one head after another: slower, in less memory."""
    deterministic: bool = False
    """Train to the same bytes in every run on one kind of GPU: slower. On a CPU training always
    does."""
    compile: bool = False
    """Compile the UNet's transformer blocks before the first step: faster in a long run. It
    changes the rounding of results."""
    max_grad_norm: Positive = 1.0
    """Gradients are scaled down to this norm."""
    checkpoint_every: Count | None = None
    """Keep the adapter after every so many steps; `NAME@STEP` judges one."""
    validation: Validation | None = None
    """Pictures held out of training, for the loss probe; `data.part: train` holds some out too."""
    validate_every: Count | None = None
    """Ask the loss probe before the first step and after every so many, for the log and its
    alerts; if left out, only once training is over."""
    previews: tuple[str, ...] = ()
    """Prompts that are drawn at every checkpoint, to look at."""
    tracker: Literal["tensorboard", "mlflow", "wandb", "trackio"] | None = None
    """Where the loss is logged, beside the harness's own log; nowhere by default."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of everything random in training."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse(
            [
                *self._methods(),
                *self._tokens(),
                *self._losses(),
                *self._optimizers(),
                *self._memory(),
                *self._speed(),
            ]
        )
        return self

    def _methods(self) -> Iterator[Conflict]:
        if self.method == "lora" and self.adapter is None:
            yield Conflict(("adapter",), "is missing, and method lora trains one")
        if self.method == "full" and self.adapter is not None:
            yield Conflict(("adapter",), "belongs to method lora, not to full")
        if self.buckets and not (self.buckets.shortest <= self.resolution <= self.buckets.longest):
            between = f"({self.buckets.shortest}) and longest ({self.buckets.longest})"
            message = f"({self.resolution}) must lie between buckets.shortest {between}"
            yield Conflict(("resolution",), message)

    def _tokens(self) -> Iterator[Conflict]:
        if self.tokens and self.method == "full":
            yield Conflict(("tokens",), "are learned beside a LoRA, not in a full fine-tune")
        learns = [number for number, each in enumerate(self.phases) if each.token_rate is not None]
        if self.tokens and not learns:
            yield Conflict(("tokens",), "are never trained: give a phase a token_rate")
        if not self.tokens:
            for number in learns:
                yield Conflict(("phases", number, "token_rate"), "needs tokens")
        names = [token.name for token in self.tokens]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Conflict(("tokens", number, "name"), f"is taken already: {name}")

    def _losses(self) -> Iterator[Conflict]:
        if self.debiased and self.snr_gamma is not None:
            yield Conflict(("debiased",), "and snr_gamma both weigh the loss: keep one")
        if self.snr_form != "paper" and self.snr_gamma is None:
            yield Conflict(("snr_form",), "needs snr_gamma")
        if self.snr_form == "dreambooth-v" and self.prediction == "epsilon":
            yield Conflict(("snr_form",), "dreambooth-v is a form for v_prediction")
        if self.zero_terminal_snr and self.prediction != "v_prediction":
            message = "needs prediction: v_prediction, because epsilon says nothing at pure noise"
            yield Conflict(("zero_terminal_snr",), message)

    def _optimizers(self) -> Iterator[Conflict]:
        word, scheduled = self.optimizer.use, self.optimizer.scheduled
        for number, phase in enumerate(self.phases):
            conflict = self.optimizer.conflict(
                phase.rate, phase.text_encoder_rates, phase.token_rate
            )
            if conflict:
                yield conflict.within("phases", number)
            if not scheduled and phase.schedule != "constant":
                message = f"must be constant: {word} needs no falling rate"
                yield Conflict(("phases", number, "schedule"), message)
        if not scheduled and len(self.phases) > 1:
            yield Conflict(("phases",), f"must be a single one: {word} averages over all steps")
        if not scheduled and self.ema:
            yield Conflict(("ema",), f"cannot be used: {word} averages the weights itself")

    def _memory(self) -> Iterator[Conflict]:
        if self.adapter_dtype == "bfloat16" and self.precision == "fp16":
            yield Conflict(("adapter_dtype",), "bfloat16 goes with precision bf16, not with fp16")
        if self.adapter_dtype == "bfloat16" and self.method == "full":
            yield Conflict(("adapter_dtype",), "belongs to method lora, not to full")
        if self.checkpoint_every is not None and self.checkpoint_every > self.steps:
            message = f"({self.checkpoint_every}) is more than there are steps ({self.steps})"
            yield Conflict(("checkpoint_every",), message)
        if self.previews and self.checkpoint_every is None:
            yield Conflict(("previews",), "are drawn at checkpoints: give checkpoint_every")

    def _speed(self) -> Iterator[Conflict]:
        if self.compile and self.deterministic:
            message = "goes against deterministic: a compiler may choose other code in each run"
            yield Conflict(("compile",), message)

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that training needs before CUDA starts."""
        return {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if self.deterministic else {}

    @property
    def effective_batch(self) -> int:
        return self.batch * self.accumulation * self.processes

    @property
    def trains_text(self) -> bool:
        """Return whether the text encoders say something new as training goes on."""
        return bool(self.tokens) or any(phase.text_encoder_rates for phase in self.phases)


def conflicts(train: Train, data: Data) -> list[Conflict]:
    """Return every set that cannot fill a batch, as seen from the recipe; unknown sizes pass."""
    shortages = [_shortage(train, set_, place) for place, set_ in _sets(train, data)]
    return [conflict for conflict in shortages if conflict is not None]


def _sets(train: Train, data: Data) -> Iterator[tuple[tuple[str | int, ...], Data]]:
    """Yield each set that a phase learns from, once, with the place that the page names it at."""
    if any(phase.of(data) == data for phase in train.phases):
        yield ("data",), data
    for number, phase in enumerate(train.phases):
        own = (name for name in ("source", "curate", "part") if getattr(phase, name) is not None)
        field = next(own, "curate")
        if phase.of(data) != data:
            yield ("train", "phases", number, field), phase.of(data)


def _shortage(train: Train, data: Data, place: tuple[str | int, ...]) -> Conflict | None:
    if data.most is None or data.most >= train.batch:
        return None
    pictures = "1 picture" if data.most == 1 else f"{data.most} pictures"
    return Conflict(place, f"has {pictures} at most, too few for one batch of {train.batch}")

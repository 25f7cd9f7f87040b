"""The steps of blame: gradients of what a recipe trained on and of what is asked, and the verdict.

What is asked is held out by default: the rows that the recipe itself holds out, as its loss probe
asks them, else the benchmark's reference. It may also be a prompt, whose images the recipe draws,
or an image file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.fingerprint import digest, digest_bytes
from harness.pages.benchmark import Judgement, Prompt
from harness.pages.data import Caption, Curate
from harness.pages.recipe import Recipe
from harness.pages.stages import (
    BlameSpec,
    DataSpec,
    GradientsSpec,
    SampleSpec,
    SuppliedImage,
    SuppliedSpec,
    TrainSpec,
)
from harness.pages.train import Train
from harness.pipeline.judging_steps import sampling_step
from harness.pipeline.plan import RunPlan
from harness.pipeline.probe_steps import HELD
from harness.pipeline.steps import step_of
from harness.pipeline.training_steps import prepared_steps, training_steps
from harness.records import Step, StepName
from harness.training.schedules import rates_up_to

HELD_OUT = "held-out"
ASKED = "asked"
"""What the pictures of the question are called among the steps."""
MOST, DRAWN = 64, 16
"""Pictures of a reference that are asked about at most, and images that are drawn of a prompt."""
HELD_NOISES, DRAWN_NOISES, IMAGE_NOISES = 4, 16, 64
"""How many noises a picture of the question is asked about at each timestep, for each noise of a
training picture. The mean over the question must be well known, for every picture is held to it:
with 100 gradients in place of 250, swapped captions are no longer found."""


@dataclass(frozen=True)
class Question:
    """What pictures are blamed for, and how closely it is asked."""

    on: str = HELD_OUT
    """`held-out`, a prompt, or the file of an image."""
    checkpoints: int = 1
    """How many of the kept checkpoints are asked at most: the last ones of even stretches."""
    noises: int = 1
    """How many noises every picture is asked about at each timestep."""

    @property
    def is_image(self) -> bool:
        return self.on != HELD_OUT and Path(self.on).is_file()

    @property
    def noises_asked(self) -> int:
        """Return how many noises each picture of the question is asked about at a timestep."""
        if self.on == HELD_OUT:
            return HELD_NOISES * self.noises
        return (IMAGE_NOISES if self.is_image else DRAWN_NOISES) * self.noises

    @property
    def slug(self) -> str:
        """Return a name for files."""
        if self.on == HELD_OUT:
            return HELD_OUT
        kind = "image" if self.is_image else "prompt"
        return f"{kind}-{digest(self.on)[:10]}"


def plan_blame(recipe: Recipe, judgement: Judgement, question: Question) -> RunPlan:
    """Return the plan that ends in the blame of a recipe's training pictures."""
    train = _blamable(recipe)
    steps = training_steps(recipe)
    trained = _train_step(steps)
    asked = _asked(recipe, judgement, question, steps)
    marks = marks_of(train, question.checkpoints)
    spec = _gradients_spec(recipe, trained, marks, question)
    taken = [
        *(_gradients(spec, f"{number}", trained, recipe) for number in range(_sets(trained))),
        step_of(
            StepName("gradients", ASKED),
            "gradients",
            spec.model_copy(update={"noises": question.noises_asked}),
            {"latents": asked[-1].key, "texts": asked[-2].key, "train": trained.key},
            recipe.name,
        ),
    ]
    assert isinstance(trained.spec, TrainSpec)
    rates = rates_up_to(train, trained.spec.phase_sets, marks)
    verdict = step_of(
        "blame",
        "blame",
        BlameSpec(rates=tuple(map(tuple, rates)), timesteps=spec.timesteps),
        {step.name: step.key for step in taken},
        recipe.name,
    )
    every = {step.key: step for step in (*steps, *asked, *taken, verdict)}
    return RunPlan(recipe.name, judgement, tuple(every.values()), "", {})


def marks_of(train: Train, most: int) -> tuple[int, ...]:
    """Return at most so many checkpoints, evenly spread; the last one is the end of training."""
    every = train.checkpoint_every
    kept = [*(range(every, train.steps, every) if every else ()), train.steps]
    count = min(most, len(kept))
    return tuple(kept[(number + 1) * len(kept) // count - 1] for number in range(count))


def _blamable(recipe: Recipe) -> Train:
    train = recipe.train
    if train is None or recipe.data is None:
        raise UsageError(f"{recipe.name} trains nothing", hint="name a recipe with train")
    if train.method == "full":
        raise UsageError(
            f"{recipe.name} trains whole models, and blame reads the gradients of an adapter",
            hint="train a LoRA on the same data (train.method: lora), and ask that",
        )
    if train.tokens:
        raise UsageError(
            f"{recipe.name} learns new tokens, whose gradients blame does not read",
            hint="leave train.tokens out",
        )
    return train


def _train_step(steps: Sequence[Step]) -> Step:
    return next(step for step in steps if step.stage == "train")


def _sets(trained: Step) -> int:
    assert isinstance(trained.spec, TrainSpec)
    return max(trained.spec.phase_sets) + 1


def _gradients_spec(
    recipe: Recipe, trained: Step, marks: Sequence[int], question: Question
) -> GradientsSpec:
    spec = trained.spec
    assert isinstance(spec, TrainSpec)
    return GradientsSpec(
        base=spec.base,
        pins=spec.pins,
        train=spec.train,
        checkpoints=tuple(marks),
        chunks=spec.chunks,
        noises=question.noises,
    )


def _gradients(spec: GradientsSpec, name: str, trained: Step, recipe: Recipe) -> Step:
    """Return the step that takes the gradients of one set that was trained on."""
    inputs = {role: trained.inputs[str(StepName(role, name))] for role in ("latents", "texts")}
    title = StepName("gradients", name)
    return step_of(title, "gradients", spec, {**inputs, "train": trained.key}, recipe.name)


def _asked(
    recipe: Recipe, judgement: Judgement, question: Question, steps: Sequence[Step]
) -> list[Step]:
    """Return the steps that get the pictures of the question, their texts and their latents."""
    assert recipe.train is not None
    assert recipe.data is not None
    held = [step for step in steps if step.title.set == HELD]
    if question.on == HELD_OUT and held:
        return held
    caption = Caption(chunks=recipe.data.caption.chunks)
    if question.on == HELD_OUT:
        caption = recipe.train.phases[-1].of(recipe.data).caption
        pictures = _reference(recipe, judgement)
    elif question.is_image:
        pictures = step_of("asked", "sample", _supplied(Path(question.on)), {}, recipe.name)
    else:
        pictures = _drawn(recipe, judgement, question.on, _train_step(steps))
    return [pictures, *prepared_steps(recipe, recipe.train, pictures, caption, ASKED)]


def _reference(recipe: Recipe, judgement: Judgement) -> Step:
    """Return the collecting of the benchmark's reference, for a recipe that holds nothing out."""
    reference = judgement.benchmark.reference
    if reference is None:
        raise UsageError(
            f"neither {recipe.name} nor {judgement.benchmark.name} holds pictures out",
            hint="name a prompt or an image with --on, or hold some out with train.validation",
        )
    rows = DataSpec(source=reference.source, part=reference.part, curate=Curate(limit=MOST))
    return step_of(StepName("data", ASKED), "data", rows, {}, recipe.name)


def _drawn(recipe: Recipe, judgement: Judgement, prompt: str, trained: Step) -> Step:
    """Return the drawing of a prompt by the trained recipe, at the benchmark's sampler."""
    spec = sampling_step(recipe, judgement, trained.key, None).spec
    assert isinstance(spec, SampleSpec)
    asked = {"prompts": (Prompt(id=ASKED, text=prompt),), "seeds": tuple(range(DRAWN))}
    drawing = spec.model_copy(update=asked)
    return step_of("asked", "sample", drawing, {"train": trained.key}, recipe.name)


def _supplied(file: Path) -> SuppliedSpec:
    """Return an image as it is, with the caption in the .txt beside it."""
    beside = file.with_suffix(".txt")
    text = beside.read_text(encoding="utf-8").strip() if beside.is_file() else ""
    image = SuppliedImage(
        file=file.name, prompt_id=ASKED, seed=0, text=text, content=digest_bytes(file.read_bytes())
    )
    return SuppliedSpec(folder=str(file.parent), entries=(image,))

"""A recipe: what to train, or what to load. It knows nothing of how it will be judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from harness.conflicts import Conflict, refuse
from harness.errors import UsageError
from harness.fingerprint import digest, digest_file
from harness.interfaces import Page
from harness.pages import validation
from harness.pages.data import Data
from harness.pages.folders import find
from harness.pages.train import Train, conflicts
from harness.pages.yaml import load_page

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Base(Page):
    """The model that everything starts from, and that rows of a leaderboard share."""

    model: str = Field(min_length=1)
    """A repository of the Hugging Face hub, a folder or file here, or a `pocket/` model."""
    revision: str | None = None
    """A commit, branch or tag of the hub's repository; if left out, its main branch."""
    vae: str | None = None
    """Another VAE in place of the base's own."""
    vae_revision: str | None = None
    """A commit, branch or tag of the VAE's repository; if left out, its main branch."""


class Attached(Page):
    """An adapter's file, and how much of it works."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"file"})
    file: str
    """The LoRA file, relative to where the command runs."""
    scale: Annotated[float, Field(ge=-4, le=4)] = 1.0
    """The factor on what the adapter changes; 1 is the adapter as it was trained."""

    def tokens(self) -> Path | None:
        """Return the file of new tokens that lies beside the adapter, where there is one."""
        beside = Path(self.file).with_name("embeddings.safetensors")
        return beside if beside.is_file() else None

    def digest(self) -> str:
        """Return the digest of the adapter, with that of its tokens where it has some."""
        adapter, tokens = digest_file(Path(self.file)), self.tokens()
        return digest([adapter, digest_file(tokens)]) if tokens else adapter


class Load(Page):
    """Weights that are already trained: a whole model, or adapters on the base."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"adapter", "adapters"})
    model: str | None = None
    """A whole model in place of the base's: a repository of the hub, or a folder or file."""
    adapter: str | None = None
    """A LoRA file. Keys depend on its content, not on its path."""
    adapters: tuple[Attached, ...] = ()
    """Several LoRA files at once; their changes are added up."""
    revision: str | None = None
    """A commit, branch or tag of the model's repository; if left out, its main branch."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [bool(self.model), bool(self.adapter), bool(self.adapters)].count(True) != 1:
            raise ValueError("names exactly one of model, adapter and adapters")
        return self

    def attached(self) -> tuple[Attached, ...]:
        """Return every adapter that is put on the base."""
        return (Attached(file=self.adapter),) if self.adapter else self.adapters

    def digest(self) -> str:
        """Return the digest of the one adapter, or of all with their scales."""
        attached = self.attached()
        if self.adapter:
            return attached[0].digest()
        return digest([[each.digest(), each.scale] for each in attached])


class Prompting(Page):
    """What the recipe's maker puts around every prompt, such as a trigger or quality words."""

    prefix: str = ""
    """Words before every prompt, joined by a comma; empty by default."""
    suffix: str = ""
    """Words after every prompt, joined by a comma; empty by default."""

    def apply(self, prompt: str) -> str:
        return ", ".join(part for part in (self.prefix, prompt, self.suffix) if part)


class Recipe(Page):
    """What is trained or loaded, under one name.

    >>> page = harness.load_recipe("tiny")
    >>> page.base.model, page.train.steps
    ('pocket/sdxl', 40)
    """

    schema_version: Literal[1] = 1
    """The version of this form of page; always 1."""
    name: Name
    """The name of the page, the same as its file's."""
    summary: str = Field(min_length=1, max_length=200)
    """One sentence for lists: what the page is for."""
    origin: str | None = None
    """Where the figures come from."""
    hardware: str | None = None
    """The hardware that the source says is needed."""
    base: Base
    """The model that the recipe starts from."""
    load: Load | None = None
    """Weights that are already trained; excludes `train`."""
    data: Data | None = None
    """The pictures and words to learn from; `train` needs them."""
    train: Train | None = None
    """How to train; excludes `load`. Without both, the recipe is the bare base."""
    prompting: Prompting = Prompting()
    """Words that the recipe needs around every prompt; none by default."""
    judge: Literal["end", "checkpoints"] = "end"
    """What a run judges: the end of training (end), or also each checkpoint that it keeps, by
    itself, with the advice where to stop (checkpoints). It is in no key."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.train is not None and self.load is not None:
            raise ValueError("a recipe trains or loads, not both: drop train or load")
        if self.train is not None and self.data is None:
            raise ValueError("train needs data to learn from: add data")
        if self.train is not None and self.data is not None:
            refuse(conflicts(self.train, self.data))
            refuse(self._validation_conflicts(self.train, self.data))
        if self.judge == "checkpoints" and (not self.train or not self.train.checkpoint_every):
            refuse([Conflict(("judge",), "checkpoints needs some: give train.checkpoint_every")])
        return self

    def _validation_conflicts(self, train: Train, data: Data) -> Iterator[Conflict]:
        parts = {phase.of(data).part for phase in train.phases}
        return validation.conflicts(train.validation, train.validate_every, train.steps, parts)

    def with_seed(self, seed: int) -> Recipe:
        """Return the same recipe with another training seed."""
        if self.train is None:
            return self
        train = self.train.model_copy(update={"seed": seed})
        return self.model_copy(update={"train": train})

    def made_deterministic(self) -> Recipe:
        """Return the same recipe, trained in the deterministic mode."""
        if self.train is None:
            return self
        if self.train.compile:
            raise UsageError(
                f"{self.name} asks for train.compile, which goes against --deterministic",
                hint="take train.compile out of the recipe",
            )
        train = self.train.model_copy(update={"deterministic": True})
        return self.model_copy(update={"train": train})


def load(name: str | Path) -> Recipe:
    """Return the recipe called `name`, or the one in the file `name`."""
    file = find("recipe", str(name))
    return load_page(Recipe, file)


def result_name(name: str) -> str:
    """Return a name that a result may have; refuse any other."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValueError:
        raise UsageError(
            f"{name!r} is no name for a result", hint="small letters, digits, dot, dash"
        ) from None

"""The flags of another trainer's config in the making, and what it cannot say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.pages.recipe import Recipe
from harness.pages.train import Phase, Train


@dataclass(frozen=True)
class Loss:
    """A field of a recipe that a config does not say, or says otherwise."""

    field: str
    value: Any
    why: str


@dataclass
class Sheet:
    """The flags of one config, in the order in which they are written."""

    recipe: Recipe
    train: Train
    phase: Phase
    flags: dict[str, Any] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def put(self, name: str, value: Any) -> None:
        self.flags[name] = value

    def lose(self, place: str, value: Any, why: str) -> None:
        self.losses.append(Loss(place, value, why))

    def lose_set(self, why: str, **places: Any) -> None:
        """Note each of several fields that says something, for one reason."""
        for name, value in places.items():
            if value:
                self.lose(name.replace("__", "."), value, why)


def sheets(recipe: Recipe) -> list[Sheet]:
    """Return a sheet for each phase of a recipe that trains."""
    assert recipe.train is not None
    return [Sheet(recipe, recipe.train, phase) for phase in recipe.train.phases]


def lose_data(sheet: Sheet, trainer: str) -> None:
    """Note the rules for pictures and captions that no other trainer has."""
    data = sheet.recipe.data
    assert data is not None
    curated = f"`harness curate {sheet.recipe.name} --to folder` writes the pictures that pass"
    sheet.lose_set(
        curated,
        data__curate=data.curate if data.curate.model_dump(exclude_defaults=True) else None,
        data__part=data.part if data.part != "all" else None,
        data__recaption=data.recaption,
        data__reading=data.reading if data.reading.model_dump(exclude_defaults=True) else None,
    )
    caption = data.caption
    written = f"`harness curate {sheet.recipe.name} --to folder` writes captions as they are read"
    sheet.lose_set(
        written,
        data__caption__clean=caption.clean,
        data__caption__important=caption.important,
        data__caption__score_tags=caption.score_tags,
        data__caption__aesthetic_tags=caption.aesthetic_tags,
        data__caption__rating_tags=caption.rating_tags,
        data__caption__year=caption.year,
        data__caption__variants=caption.variants,
    )
    if caption.words in ("tags", "tags+caption"):
        sheet.lose("data.caption.words", caption.words, f"{trainer} reads one text a picture")
    phase = sheet.phase
    sheet.lose_set(
        "each phase has a config of its own: give it its own pictures",
        train__phases__source=phase.source,
        train__phases__curate=phase.curate,
        train__phases__part=phase.part,
    )


def lose_rest(sheet: Sheet, trainer: str) -> None:
    """Note what of training is harness's own."""
    train = sheet.train
    sheet.lose_set(
        f"{trainer} has none",
        train__tokens=train.tokens,
        train__phases__token_rate=sheet.phase.token_rate,
        train__attention_slicing=train.attention_slicing,
        train__deterministic=train.deterministic,
        train__compile=train.compile,
        train__tracker=train.tracker,
    )
    if train.snr_form != "paper":
        sheet.lose("train.snr_form", train.snr_form, f"{trainer} weighs as the paper does")
    prompting = sheet.recipe.prompting
    if prompting.prefix or prompting.suffix:
        sheet.lose("prompting", f"{prompting.prefix} … {prompting.suffix}", "for prompts alone")

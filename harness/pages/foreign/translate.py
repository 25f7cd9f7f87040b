"""From what a config means to the fields of a recipe page; the same for every trainer.

A figure's meaning is our field where one number stands for one number, else a word with an @ that
a function here or in length.py and optimizers.py knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.bases import place_base
from harness.pages.foreign.figures import Draft, Figure, Source
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.length import effective, place_length
from harness.pages.foreign.optimizers import place_optimizer
from harness.pages.foreign.pictures import place_pictures
from harness.pages.foreign.settle import settle

MOST_RANK = 320
"""The highest rank that a layer of SDXL may use; other kinds of adapter count beyond it."""
_VARIABLE = re.compile(r"(^|/)\$[A-Za-z_]\w*|\$\{\w+\}|%[A-Za-z_]\w*%")


@dataclass(frozen=True)
class Given:
    """What a person adds to a config that does not say it."""

    name: str | None = None
    base: str | None = None
    data: str | None = None
    pictures: int | None = None


def translate(draft: Draft, habits: Habits, given: Given) -> None:
    """Fill the page of `draft` from its figures; every figure gets a fate."""
    _require_values(draft, given)
    draft.page.setdefault("train", {})["method"] = "full" if draft.full else "lora"
    place_base(draft, given.base)
    _place_data(draft, given)
    _place_captions(draft, habits)
    if draft.get("train.method") == "lora":
        _place_adapter(draft, habits)
    place_pictures(draft, habits)
    place_length(draft, habits)
    place_optimizer(draft, habits)
    _place_losses(draft)
    _place_prior(draft)
    _place_numbers(draft, habits)
    _place_checkpoints(draft)
    settle(draft)
    draft.finish()


def _require_values(draft: Draft, given: Given) -> None:
    """Refuse a figure that is a variable of a shell which the file does not set."""
    free = {"train.previews", "data.caption.prefix"} | ({"base.model"} if given.base else set())
    said = {
        name: draft.figures.get(name) for name, what in draft.meanings.items() if what not in free
    }
    if given.data is None:
        said |= {
            each.figure: each.spec.get("path") or each.spec.get("id") for each in draft.sources
        }
    unset = [f"{name} {value}" for name, value in said.items() if _VARIABLE.search(_words(value))]
    if unset:
        raise UsageError(
            f"the config holds variables that it does not set: {', '.join(unset)}",
            hint="write their values into the file, or give --base and --data",
        )


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _place_data(draft: Draft, given: Given) -> None:
    if given.data is not None:
        known = draft.sources[0] if draft.sources else Source("data", {})
        spec = {"use": "folder", "path": given.data}
        draft.sources = [Source(known.figure, spec, known.repeats)]
    if not draft.sources:
        raise UsageError(
            "the config does not say, or not in a file that is here, which pictures it trains on",
            hint="give --data with their folder",
        )
    _count(draft, given)
    first, *others = draft.sources
    figure = Figure(first.figure, first.spec.get("path") or first.spec.get("id"))
    note = _repeated(draft.sources)
    if note:
        draft.change(figure, "data.source", first.spec, note)
    else:
        draft.keep(figure, "data.source", first.spec)
    if len(others) == 1 and not note:
        draft.keep(_named(others[0]), "data.booster", others[0].spec)
    elif others:
        draft.page["data"]["boosters"] = _boosters(draft)


def _count(draft: Draft, given: Given) -> None:
    """Count the pictures of every source that is here; `--pictures` counts those of all."""
    for source in draft.sources:
        folder = Path(str(source.spec.get("path", "")))
        if source.count is None and source.spec.get("use") == "folder" and folder.is_dir():
            source.count = _pictures_in(folder, bool(source.spec.get("recursive")))
    if given.pictures is not None:
        share = given.pictures / len(draft.sources)
        for source in draft.sources:
            source.count = max(1, round(share))


def _pictures_in(folder: Path, recursive: bool) -> int:
    files = folder.rglob("*") if recursive else folder.iterdir()
    kinds = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
    return sum(1 for file in files if file.suffix.lower() in kinds)


def _named(source: Source) -> Figure:
    return Figure(source.figure, source.spec.get("path") or source.spec.get("id"))


def _repeated(sources: list[Source]) -> str:
    """Return what becomes of repeats: of one set none are needed, of several they are shares."""
    repeats = {source.repeats for source in sources}
    if len(sources) == 1:
        only = sources[0].repeats
        return f"its {only:g} repeats are counted in the steps" if only != 1 else ""
    if len(sources) > 2 or len(repeats) > 1:
        return "sets are mixed by shares here, which stand for their repeats"
    return ""


def _boosters(draft: Draft) -> list[dict[str, Any]]:
    known = all(source.count for source in draft.sources)
    weights = [(each.count or 1 if known else 1) * each.repeats for each in draft.sources]
    boosters = []
    for source, weight in list(zip(draft.sources, weights, strict=True))[1:]:
        share = round(min(max(weight / sum(weights), 0.001), 0.999), 4)
        boosters.append({"source": source.spec, "weight": share})
        what = f"{source.repeats:g} repeats"
        note = f"a share of {share:g}: {what}" + ("" if known else ", as if sets were of one size")
        draft.note(_named(source), "data.boosters[].weight", share, note)
    return boosters


def _place_captions(draft: Draft, habits: Habits) -> None:
    if (found := draft.find("data.caption.prefix")) is not None:
        draft.keep(found, "data.caption.prefix", str(found.value).strip().rstrip(","))
    for name in ("shuffle", "keep_first", "dropout", "tag_dropout"):
        for figure in draft.all(f"data.caption.{name}"):
            if draft.get(f"data.caption.{name}") is not None or not figure.is_on:
                draft.leave(figure, "another figure says it")
                continue
            number = figure.number
            if name == "shuffle":
                draft.keep(figure, "data.caption.shuffle", True)
            elif number is None or number < 0 or (name != "keep_first" and number > 1):
                draft.leave(figure, "harness takes no such value")
            else:
                draft.keep(figure, f"data.caption.{name}", number)
    for figure in draft.all("@tokens"):
        chunks = {75: 1, 77: 1, 150: 2, 225: 3}.get(int(figure.number or 75))
        if chunks is None:
            draft.leave(figure, "a caption fills 75, 150 or 225 tokens here")
        else:
            draft.keep(figure, "data.caption.chunks", chunks)
    for figure in draft.all("@words"):
        if str(figure.value).lower() in ("instanceprompt", "instance_prompt", "none"):
            draft.keep(figure, "data.caption.words", "none")
        else:
            draft.keep(figure, "data.caption.words", "caption")


def _place_adapter(draft: Draft, habits: Habits) -> None:
    rank = _whole(draft, "train.adapter.rank", habits.defaults.get("train.adapter.rank", 4))
    if rank > MOST_RANK:
        note = "harness trains LoRA: so high a number means another kind of adapter"
        draft.correct("train.adapter.rank", 64, note)
    alpha = draft.find("train.adapter.alpha")
    if draft.get("train.adapter.alpha") is not None:
        pass
    elif alpha is not None and (alpha.number or 0) > 0:
        draft.keep(alpha, "train.adapter.alpha", float(alpha.number or 1))
    elif (default := habits.defaults.get("train.adapter.alpha")) is not None:
        note = "its default, which divides what the adapter changes by its rank"
        draft.assume("alpha", "train.adapter.alpha", default, note)
    for name in ("dora", "rslora"):
        if (found := draft.find(f"train.adapter.{name}")) and found.is_on:
            draft.keep(found, f"train.adapter.{name}", True)
    dropout = draft.find("train.adapter.dropout")
    if dropout is not None and 0 < (dropout.number or 0) < 1:
        draft.keep(dropout, "train.adapter.dropout", dropout.number)
    _place_kind(draft)
    _place_targets(draft, habits)


def _whole(draft: Draft, place: str, default: int) -> int:
    found = draft.find(place)
    number = None if found is None else found.number
    if found is None or number is None or number < 1:
        draft.assume(place.rsplit(".", 1)[-1], place, default, "its default")
        return default
    draft.keep(found, place, int(number))
    return int(number)


def _place_kind(draft: Draft) -> None:
    """Say where another kind of adapter than a LoRA is asked for."""
    for figure in draft.all("@kind"):
        word = str(figure.value).lower()
        others = r"loha|lokr|oft|ia3|dylora|glora|diag|full$|lycoris$|dora"
        if re.search(others, word):
            note = f"harness trains LoRA: one stands in for {figure.value}"
            draft.note(figure, "train.adapter", "LoRA", note)
        else:
            draft.note(figure, "train.adapter", "LoRA")


def _place_targets(draft: Draft, habits: Habits) -> None:
    figures = list(draft.all("@layers"))
    default = habits.defaults.get("train.adapter.targets")
    if figures:
        word = str(figures[0].value)
        parts = [re.escape(part.strip()) for part in word.split(",") if part.strip()]
        draft.keep(figures[0], "train.adapter.targets", habits.layers.get(word, "|".join(parts)))
        for other in figures[1:]:
            draft.leave(other, f"{figures[0].name} says it")
    elif default is not None:
        note = "the layers that it puts adapters on"
        draft.assume("target layers", "train.adapter.targets", default, note)
    convolutions = draft.find("@conv_rank")
    if convolutions is None or not convolutions.is_on or not (convolutions.number or 0) >= 1:
        return
    rank, note = int(convolutions.number or 1), "train.adapter.targets takes convolutions in"
    if rank > MOST_RANK:
        rank, note = 64, f"{note}; so high a number means another kind of adapter"
    asked = draft.find("@kind")
    if asked is not None and str(asked.value).lower() in ("standard", "lora"):
        draft.leave(convolutions, f"{asked.value} has no adapters on convolutions")
        return
    draft.page["train"]["adapter"]["targets"] = "(attentions|resnets|samplers)"
    ranks = {r"(conv1|conv2|samplers\.0\.conv)$": rank}
    draft.change(convolutions, "train.adapter.ranks", ranks, note)


def _place_losses(draft: Draft) -> None:
    for figure in draft.all("train.snr_gamma"):
        if figure.is_on and (figure.number or 0) > 0 and draft.get("train.snr_gamma") is None:
            draft.keep(figure, "train.snr_gamma", float(figure.number or 0))
        else:
            draft.leave(figure, "another figure says it")
    if (unclamped := draft.find("@unclamped_gamma")) and (unclamped.number or 0) > 0:
        gamma = float(unclamped.number or 0)
        note = "there it is γ/SNR without a bound: train.snr_form: unclamped"
        draft.change(unclamped, "train.snr_gamma", gamma, note)
        draft.page["train"]["snr_form"] = "unclamped"
    _place_v(draft)
    for name in ("debiased", "zero_terminal_snr"):
        if (found := draft.find(f"train.{name}")) and found.is_on:
            draft.keep(found, f"train.{name}", True)
    _place_huber(draft)
    for name in ("noise_offset", "input_perturbation"):
        found = draft.find(f"train.{name}")
        if found is not None and found.is_on and (found.number or 0) > 0:
            draft.keep(found, f"train.{name}", float(found.number or 0))


def _place_v(draft: Draft) -> None:
    for figure in draft.all("train.prediction"):
        word = str(figure.value).lower()
        if word in ("v_prediction", "v-prediction", "v_pred") or figure.value is True:
            draft.keep(figure, "train.prediction", "v_prediction")
        elif word == "epsilon":
            draft.keep(figure, "train.prediction", "epsilon")
        else:
            draft.leave(figure, "the base says what it predicts")


def _place_huber(draft: Draft) -> None:
    figure = draft.find("train.huber")
    if figure is None or str(figure.value).lower() in ("l2", "mse", "false", "0"):
        if figure is not None:
            draft.note(figure, "train.huber", None)
        for other in ("@huber_delta", "@huber_schedule"):
            for each in draft.all(other):
                draft.leave(each, "only a Huber loss has it")
        return
    huber: dict[str, Any] = {}
    draft.page["train"]["huber"] = huber
    plain = str(figure.value).lower() == "huber" or figure.value is True
    note = "" if plain else f"Huber's loss is the nearest to {figure.value}"
    draft.note(figure, "train.huber", True, note)
    delta, schedule = draft.find("@huber_delta"), draft.find("@huber_schedule")
    if delta is not None and (delta.number or 0) > 0:
        draft.keep(delta, "train.huber.delta", float(delta.number or 0.1))
    if schedule is not None and str(schedule.value) in ("constant", "snr", "exponential"):
        draft.keep(schedule, "train.huber.schedule", str(schedule.value))


def _place_prior(draft: Draft) -> None:
    """Put class images into the page, where the trainer has the base draw them."""
    switch, prompt = draft.find("train.prior"), draft.find("train.prior.prompt")
    figures = {name: draft.find(f"train.prior.{name}") for name in ("images", "weight")}
    if switch is None or not switch.is_on or prompt is None:
        for figure in filter(None, (prompt, *figures.values())):
            draft.leave(figure, "it belongs to class images, which are not asked for")
        return
    draft.page["train"]["prior"] = {}
    draft.note(switch, "train.prior", True)
    draft.keep(prompt, "train.prior.prompt", str(prompt.value))
    images = figures["images"]
    if images is not None and (images.number or 0) >= 1:
        draft.keep(images, "train.prior.images", int(images.number or 100))
    else:
        draft.assume("num_class_images", "train.prior.images", 100, "its default")
    weight = figures["weight"]
    if weight is not None and (weight.number or 0) > 0:
        draft.keep(weight, "train.prior.weight", float(weight.number or 1))


def _place_numbers(draft: Draft, habits: Habits) -> None:
    """Put the numbers that networks compute in, and what saves memory."""
    _place_precision(draft, habits)
    if (found := draft.find("@adapter_bf16")) and found.is_on:
        _place_bf16(draft, found)
    for name in ("gradient_checkpointing", "compile", "attention_slicing"):
        if (found := draft.find(f"train.{name}")) and found.is_on:
            draft.keep(found, f"train.{name}", True)
    for figure in draft.all("train.max_grad_norm"):
        if (figure.number or 0) > 0:
            draft.keep(figure, "train.max_grad_norm", float(figure.number or 1))
        else:
            note = "0 is no bound there, and neither is so high a one"
            draft.change(figure, "train.max_grad_norm", 1e9, note)
    for figure in draft.all("train.seed"):
        if figure.number is not None and figure.number >= 0:
            draft.keep(figure, "train.seed", int(figure.number))
        else:
            draft.leave(figure, "it is a new one in every run there; a recipe has one")
    if (ema := draft.find("train.ema")) and ema.is_on:
        draft.page["train"]["ema"] = {}
        draft.note(ema, "train.ema", True)
        decay = draft.find("train.ema.decay")
        if decay is not None and 0 < (decay.number or 0) < 1:
            draft.keep(decay, "train.ema.decay", decay.number)


def _place_precision(draft: Draft, habits: Habits) -> None:
    words = {"fp16": "fp16", "float16": "fp16", "float_16": "fp16", "bf16": "bf16"}
    words |= {"bfloat16": "bf16", "bfloat_16": "bf16", "no": "fp32", "fp32": "fp32"}
    words |= {"float32": "fp32", "float_32": "fp32", "fp16-mixed": "fp16", "tfloat_32": "fp32"}
    names = list(draft.all("train.precision"))
    figure = names[0] if names else None
    for other in names[1:]:
        draft.leave(other, f"{names[0].name} says it")
    if figure is None:
        default = habits.defaults.get("train.precision")
        if default is not None:
            draft.assume("precision", "train.precision", default, "its default")
        return
    word = words.get(str(figure.value).lower())
    if word is None:
        draft.change(figure, "train.precision", "bf16", f"harness has no {figure.value}")
    else:
        draft.keep(figure, "train.precision", word)


def _place_bf16(draft: Draft, figure: Figure) -> None:
    if draft.get("train.method") == "lora" and draft.get("train.precision") == "bf16":
        draft.keep(figure, "train.adapter_dtype", "bfloat16")
    else:
        draft.leave(figure, "weights that are trained are kept in float32")


def _place_checkpoints(draft: Draft) -> None:
    steps = draft.page["train"]["phases"][0]["steps"]
    found = draft.find("train.checkpoint_every")
    epochs = draft.find("@checkpoint_epochs")
    if found is not None and (found.number or 0) >= 1:
        if epochs is not None:
            draft.leave(epochs, f"{found.name} says it")
        draft.keep(found, "train.checkpoint_every", min(int(found.number or 1), steps))
    elif epochs is not None and (epochs.number or 0) > 0:
        counts = [source.count for source in draft.sources]
        if counts and None not in counts:
            shown = sum((each.count or 0) * each.repeats for each in draft.sources)
            every = max(1, round((epochs.number or 1) * shown / effective(draft)))
            note = "counted in optimizer steps here"
            draft.change(epochs, "train.checkpoint_every", min(every, steps), note)
        else:
            draft.leave(epochs, "checkpoints are counted in steps: train.checkpoint_every")
    for figure in draft.all("train.previews"):
        prompts = figure.value if isinstance(figure.value, list) else [figure.value]
        texts = [str(each) for each in prompts if str(each).strip()]
        a_file = len(texts) == 1 and re.search(r"\.(txt|json|toml)$", texts[0])
        if a_file:
            draft.leave(figure, "it is a file of prompts: write them into train.previews")
        elif draft.get("train.checkpoint_every") is None:
            draft.leave(figure, "previews are drawn at checkpoints, and it keeps none by steps")
        elif texts and draft.get("train.previews") is None:
            draft.keep(figure, "train.previews", texts)

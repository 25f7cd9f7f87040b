"""Optimizers and schedules by the names of other trainers."""

from __future__ import annotations

import re
from typing import Any

from harness.pages.foreign.figures import Draft, Figure, is_off, number_of
from harness.pages.foreign.habits import Habits

_OURS = {
    "adamw": "adamw",
    "adam": "adamw",
    "adamw8bit": "adamw-8bit",
    "pagedadamw8bit": "adamw-8bit",
    "bnbadamw8bit": "adamw-8bit",
    "adam8bit": "adamw-8bit",
    "lion": "lion",
    "lion8bit": "lion",
    "pagedlion8bit": "lion",
    "bnblion8bit": "lion",
    "optimilion": "lion",
    "optimiadamw": "adamw",
    "adamwbf16": "adamw",
    "pagedadamw": "adamw",
    "pagedadamw32bit": "adamw",
    "bnbadamw": "adamw",
    "bnblion": "lion",
    "prodigy": "prodigy",
    "prodigyopt": "prodigy",
    "dadaptation": "prodigy",
    "dadaptadam": "prodigy",
    "dadaptadampreprint": "prodigy",
    "prodigyplusschedulefree": "prodigy",
    "adafactor": "adafactor",
    "torchadafactor": "adafactor",
    "came": "came",
    "came8bit": "came",
    "adamwschedulefree": "schedule-free",
    "schedulefreeadamw": "schedule-free",
}
_SAME = {
    "adamw",
    "adamw8bit",
    "bnbadamw8bit",
    "lion",
    "prodigy",
    "prodigyopt",
    "adafactor",
    "came",
    "adamwschedulefree",
    "schedulefreeadamw",
}
"""Names that mean just what ours do."""
_DECAYED = ("weight_decay", "text_encoder_weight_decay")
_FIELDS = {
    "adamw": (*_DECAYED, "beta1", "beta2", "eps"),
    "adamw-8bit": (*_DECAYED, "beta1", "beta2", "eps"),
    "schedule-free": (*_DECAYED, "beta1", "beta2", "eps"),
    "prodigy": (*_DECAYED, "beta1", "beta2", "d_coef", "bias_correction", "safeguard_warmup"),
    "adafactor": (*_DECAYED, "relative_step"),
    "lion": (*_DECAYED, "beta1", "beta2"),
    "came": (*_DECAYED, "beta1", "beta2", "beta3"),
}
_OPTIONS = {
    "weight_decay": "weight_decay",
    "decay": "weight_decay",
    "beta1": "beta1",
    "beta2": "beta2",
    "beta3": "beta3",
    "eps": "eps",
    "d_coef": "d_coef",
    "use_bias_correction": "bias_correction",
    "bias_correction": "bias_correction",
    "safeguard_warmup": "safeguard_warmup",
    "relative_step": "relative_step",
}
_REMARKS = {
    "decouple": "weight decay is always decoupled here",
    "adam_w_mode": "weight decay is always decoupled here",
    "scale_parameter": "rates are fixed here: there is no scaling by the parameters' size",
    "warmup_init": "rates are fixed here; a warm-up is train.phases[].warmup",
    "fused": "PyTorch's fastest form is taken by itself",
    "fused_back_pass": "it saves memory and changes no figure",
    "stochastic_rounding": "adapters are kept in float32, so nothing is rounded away",
    "d0": "the first step size is Prodigy's own, 1e-6",
    "optim_bits": "the optimizer's word says how many bits its state has",
    "block_wise": "it belongs to the 8-bit state and is always on",
    "is_paged": "state is not paged to the CPU here",
}
_SCHEDULES = {
    "constant": "constant",
    "constantwithwarmup": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosineannealinglr": "cosine",
    "cosinewithrestarts": "cosine-restarts",
    "cosinewithhardrestarts": "cosine-restarts",
    "cosineannealingwarmrestarts": "cosine-restarts",
    "cosineannealing": "cosine",
    "cosinewithminlr": "cosine",
    "polynomial": "polynomial",
    "rex": "rex",
}


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rsplit(".", 1)[-1].lower())


def place_optimizer(draft: Draft, habits: Habits) -> None:
    """Put the optimizer and its options into the page."""
    found = draft.find("@optimizer")
    if draft.is_on("@8bit"):
        figure = draft.find("@8bit")
        assert figure is not None
        draft.keep(figure, "train.optimizer.use", "adamw-8bit")
    elif found is None:
        word = habits.defaults.get("train.optimizer.use", "adamw")
        draft.assume("optimizer", "train.optimizer.use", word, "its default")
    else:
        _place_word(draft, found)
    for other in draft.all("@8bit"):
        if not other.is_on:
            draft.leave(other, "the optimizer is named elsewhere")
    word = draft.get("train.optimizer.use")
    options = _options(draft)
    for option in options:
        _place_option(draft, word, option)
    if word == "adafactor" and all(name != "relative_step" for _, name, _ in options):
        note = "steps are relative there unless it is off; here the rate always counts"
        draft.note(Figure("relative_step", None), "train.optimizer.use", word, note)
    decay = habits.weight_decay.get(word)
    if decay is not None and draft.get("train.optimizer.weight_decay") is None:
        draft.assume("weight_decay", "train.optimizer.weight_decay", decay, "its default")


def _place_word(draft: Draft, figure: Figure) -> None:
    bare = _bare(str(figure.value))
    word = _OURS.get(bare)
    if word is None:
        note = f"harness has no {figure.value}: adamw stands in, and its rate may not suit"
        draft.change(figure, "train.optimizer.use", "adamw", note)
    elif bare in _SAME:
        draft.keep(figure, "train.optimizer.use", word)
    else:
        note = f"the nearest that harness has to {figure.value}"
        draft.change(figure, "train.optimizer.use", word, note)


def _options(draft: Draft) -> list[tuple[Figure, str, Any]]:
    """Return each option of the optimizer: its figure, its name there, its value."""
    options: list[tuple[Figure, str, Any]] = []
    for figure in draft.all("@optimizer_args"):
        draft.same(figure, "train.optimizer", None, "each by itself")
        for name, value in _pairs(figure.value):
            options += _option(f"{figure.name}.{name}", name, value)
    for meaning in dict.fromkeys(draft.meanings.values()):
        if meaning.startswith("@optimizer."):
            name = meaning.removeprefix("@optimizer.")
            for each in draft.all(meaning):
                options += _option(each.name, name, each.value)
    return options


def _option(figure: str, name: str, value: Any) -> list[tuple[Figure, str, Any]]:
    """Return one option; betas are several."""
    if name != "betas":
        return [(Figure(figure, value), name, value)]
    numbers = re.findall(r"[0-9.]+(?:[eE][+-]?\d+)?", str(value))
    return [
        (Figure(f"{figure}[{at}]", each), f"beta{at + 1}", each) for at, each in enumerate(numbers)
    ]


def _pairs(value: Any) -> list[tuple[str, Any]]:
    """Return `name=value` pairs of a list, of one text, or of a mapping."""
    if isinstance(value, dict):
        return [(str(key), each) for key, each in value.items()]
    words = value if isinstance(value, list) else re.split(r"[\s,]+(?=\w+\s*=)|\n", str(value))
    pairs = [str(word).strip().partition("=") for word in words]
    return [(name.strip(), given.strip()) for name, mark, given in pairs if mark]


def _place_option(draft: Draft, word: str, option: tuple[Figure, str, Any]) -> None:
    figure, name, value = option
    ours = _OPTIONS.get(name, name if name in _DECAYED else None)
    truth = ours in ("bias_correction", "safeguard_warmup", "relative_step")
    if ours is None:
        draft.leave(figure, _REMARKS.get(name, f"{word} has no such option here"))
    elif ours not in _FIELDS[word]:
        draft.leave(figure, f"{word} has no {ours} here")
    elif ours == "relative_step":
        note = "rates of the page always count: no relative steps"
        draft.leave(figure, note)
    elif truth:
        draft.keep(figure, f"train.optimizer.{ours}", not is_off(value))
    elif (number := number_of(value)) is None:
        draft.leave(figure, "it is no number")
    elif (ours == "eps" and number <= 0) or number < 0:
        draft.leave(figure, "harness takes no such value")
    else:
        draft.keep(figure, f"train.optimizer.{ours}", number)


def schedule_of(figure: Figure) -> str | None:
    """Return our word for a schedule, None where there is none."""
    return _SCHEDULES.get(_bare(str(figure.value)))

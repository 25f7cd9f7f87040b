"""How long a run is: batches, steps, epochs, warm-up, schedule, rates."""

from __future__ import annotations

import math
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.optimizers import schedule_of

STILL = 1e-12
"""A rate that moves nothing, where ours must be above zero."""
MOST = 10.0
"""The highest rate that a page may have."""


def place_length(draft: Draft, habits: Habits) -> dict[str, Any]:
    """Put batch and accumulation into the page, and return the phase that the figures make."""
    for place in ("train.batch", "train.accumulation", "train.processes"):
        _place_count(draft, place, habits)
    phase: dict[str, Any] = {"steps": _steps(draft, habits)}
    draft.page["train"]["phases"] = [phase]
    _place_rates(draft, habits, phase)
    _place_schedule(draft, habits, phase)
    _place_warmup(draft, habits, phase)
    return phase


def _place_count(draft: Draft, place: str, habits: Habits) -> None:
    found = draft.find(place)
    number = None if found is None else found.number
    if found is not None and number is not None and number >= 1:
        draft.keep(found, place, int(number))
    elif place in habits.defaults:
        draft.assume(place.rsplit(".", 1)[-1], place, habits.defaults[place], "its default")
    elif place == "train.batch":
        draft.assume("batch", place, 1, "its default")


def effective(draft: Draft) -> int:
    """Return the pictures of one optimizer step."""
    parts = ("train.batch", "train.accumulation", "train.processes")
    return math.prod(int(draft.get(part) or 1) for part in parts)


def _steps(draft: Draft, habits: Habits) -> int:
    epochs, steps = draft.find("@epochs"), draft.find("@steps")
    passes = epochs is not None and epochs.is_on and habits.epochs_win
    if steps is not None and steps.is_on and not passes:
        if epochs is not None:
            draft.leave(epochs, f"{steps.name} decides how long the run is")
        return _counted(draft, habits, steps)
    if steps is not None:
        by = epochs.name if epochs is not None else "its default"
        draft.leave(steps, f"{by} decides how long the run is")
    if not passes and not (epochs and epochs.is_on) and "@steps" in habits.defaults:
        draft.note(
            Figure("steps", None), "train.phases[].steps", habits.defaults["@steps"], "its default"
        )
        return int(habits.defaults["@steps"])
    return _of_epochs(draft, habits, epochs)


def _counted(draft: Draft, habits: Habits, figure: Figure) -> int:
    number = figure.number
    if number is None or number < 1:
        raise UsageError(f"{figure.name} is {figure.value!r}, no number of steps")
    accumulation = int(draft.get("train.accumulation") or 1)
    steps = int(number)
    place = "train.phases[].steps"
    if habits.steps_are_batches and accumulation > 1:
        steps = max(1, math.ceil(steps / accumulation))
        note = f"counted in batches there, {accumulation} of which make an optimizer step"
        draft.note(figure, place, steps, note)
    else:
        draft.note(figure, place, steps)
    return steps


def _of_epochs(draft: Draft, habits: Habits, figure: Figure | None) -> int:
    epochs = (figure.number if figure and figure.is_on else None) or habits.defaults.get("@epochs")
    if not epochs:
        raise UsageError(
            "the config says neither how many steps nor how many epochs it trains",
            hint="set its number of steps",
        )
    counts = [source.count for source in draft.sources]
    if not counts or None in counts:
        name = figure.name if figure else "epochs"
        raise UsageError(
            f"{name} {epochs:g} counts passes over pictures that are not on this machine",
            hint="give --pictures with their number",
        )
    shown = sum(math.ceil((each.count or 0) * each.repeats) for each in draft.sources)
    steps = max(1, math.ceil(epochs * math.ceil(shown / effective(draft))))
    note = f"{epochs:g} × ⌈{shown:,} pictures with repeats / {effective(draft)} a step⌉"
    draft.note(figure or Figure("epochs", None), "train.phases[].steps", steps, note)
    return steps


def _place_rates(draft: Draft, habits: Habits, phase: dict[str, Any]) -> None:
    default = habits.defaults.get("@rate", 1e-4)
    rates = [each for each in draft.all("@rate") if each.number is not None]
    figure = rates[0] if rates else None
    for other in rates[1:]:
        draft.leave(other, f"{rates[0].name} stands in its place")
    phase["rate"] = _rate(draft, figure, "train.phases[].rate", default)
    both = [_text_rate(draft, habits, number, phase["rate"]) for number in (1, 2)]
    if (alone := draft.find("@only_text")) is not None and alone.is_on:
        note = f"the UNet rests there: {STILL:g} moves nothing"
        phase["rate"] = STILL
        draft.note(alone, "train.phases[].rate", STILL, note)
    if all(each is None for each in both):
        return
    phase["text_encoder_rates"] = [STILL if each is None else each for each in both]
    if None in both:
        which = both.index(None) + 1
        note = f"text encoder {which} rests there: {STILL:g} moves nothing"
        draft.assume(f"text encoder {which}", "train.phases[].text_encoder_rates", STILL, note)


def _rate(draft: Draft, figure: Figure | None, place: str, default: float) -> float:
    if figure is None or figure.number is None:
        draft.note(Figure("learning rate", None), place, default, "its default")
        return default
    rate = float(figure.number)
    if not 0 < rate <= MOST:
        allowed = STILL if rate <= 0 else MOST
        draft.note(figure, place, allowed, f"a rate lies between 0 and {MOST:g} here")
        return allowed
    draft.note(figure, place, rate)
    return rate


def _text_rate(draft: Draft, habits: Habits, number: int, rate: float) -> float | None:
    """Return the rate of a text encoder, None where it rests."""
    forbidden = draft.find("@no_text")
    if forbidden is not None and forbidden.is_on:
        if number == 1:
            note = "text encoders rest where they have no rates"
            draft.same(forbidden, "train.phases[].text_encoder_rates", None, note)
        return None
    switch = draft.find(f"@text{number}") or draft.find("@text")
    if switch is not None and not switch.is_on:
        draft.leave(switch, "text encoders rest where they have no rates")
        return None
    if switch is None and not habits.trains_text:
        return None
    if switch is not None:
        note = "text encoders are trained where they have rates"
        draft.same(switch, "train.phases[].text_encoder_rates", None, note)
    return _text_figure(draft, number, habits.defaults.get("@text_rate", rate))


def _text_figure(draft: Draft, number: int, default: float) -> float | None:
    place = "train.phases[].text_encoder_rates"
    figure = draft.find(f"@text_rate{number}") or draft.find("@text_rate")
    if figure is None:
        name = f"rate of text encoder {number}"
        draft.assume(name, place, default, "there it is the same as of the UNet")
        return default
    given = figure.value
    if isinstance(given, list):
        given = given[min(number, len(given)) - 1]
    rate = Figure(figure.name, given).number
    if rate is None or rate <= 0:
        draft.leave(figure, "text encoders rest where they have no rates")
        return None
    draft.note(figure, place, float(rate))
    return min(float(rate), MOST)


def _place_schedule(draft: Draft, habits: Habits, phase: dict[str, Any]) -> None:
    names = list(draft.all("@schedule"))
    for other in names[1:]:
        draft.leave(other, f"{names[0].name} stands in its place")
    figure = names[0] if names else None
    place = "train.phases[].schedule"
    if figure is None:
        phase["schedule"] = habits.defaults.get("@schedule", "constant")
        draft.note(Figure("schedule", None), place, phase["schedule"], "its default")
    else:
        word = schedule_of(figure)
        phase["schedule"] = word or "constant"
        note = "" if word else f"harness has no schedule {figure.value}: constant stands in"
        draft.note(figure, place, phase["schedule"], note)
    _place_shape(draft, phase)


def _place_shape(draft: Draft, phase: dict[str, Any]) -> None:
    """Put what belongs to some schedules only: restarts, exponent, floor."""
    belongs = {"cycles": "cosine-restarts", "power": "polynomial"}
    for name, schedule in belongs.items():
        for figure in draft.all(f"@{name}"):
            number = figure.number
            if phase["schedule"] != schedule or number is None or number <= 0:
                draft.leave(figure, f"only {schedule} has it")
            else:
                phase[name] = int(number) if name == "cycles" else number
                draft.note(figure, f"train.phases[].{name}", phase[name])
    for figure in draft.all("@floor"):
        number = figure.number
        if phase["schedule"] == "constant" or number is None or not 0 < number <= 1:
            draft.leave(figure, "a constant rate has no floor")
        else:
            phase["floor"] = number
            draft.note(figure, "train.phases[].floor", number)
    for figure in draft.all("@end_rate"):
        number = figure.number
        if phase["schedule"] == "constant" or not number or not 0 < number <= phase["rate"]:
            draft.leave(figure, "the rate does not fall to it")
        else:
            phase["floor"] = number / phase["rate"]
            note = "here it is a share of the rate"
            draft.note(figure, "train.phases[].floor", phase["floor"], note)


def _place_warmup(draft: Draft, habits: Habits, phase: dict[str, Any]) -> None:
    place, steps = "train.phases[].warmup", phase["steps"]
    figures = list(draft.all("@warmup_steps")) + list(draft.all("@warmup_percent"))
    figure = next((each for each in figures if each.is_on), None)
    for other in figures:
        if other is not figure:
            draft.leave(other, "another figure gives the warm-up")
    given = habits.warmup if not figures else figure.number if figure else 0
    if not given or _ignores_warmup(draft, habits, phase, figure):
        return
    percent = figure is not None and draft.meanings[figure.name] == "@warmup_percent"
    warmup, note = _warmup(float(given), steps, draft, habits, percent)
    if warmup >= steps:
        note = f"{note}; " if note else ""
        note = f"{note}it must end before the {steps:,} steps do"
        warmup = steps - 1
    if figure is None:
        note = f"its default{'; ' if note else ''}{note}"
    if warmup:
        phase["warmup"] = warmup
        draft.note(figure or Figure("warm-up", None), place, warmup, note)
    elif figure is not None:
        draft.leave(figure, "it comes to less than one step")


def _ignores_warmup(
    draft: Draft, habits: Habits, phase: dict[str, Any], figure: Figure | None
) -> bool:
    """Return whether that trainer warms nothing up: diffusers' plain `constant` does not."""
    name = draft.find("@schedule")
    plain = name is None or str(name.value).lower() == "constant"
    if phase["schedule"] == "constant" and plain and habits.constant_is_plain:
        if figure is not None:
            draft.leave(figure, "its schedule `constant` has no warm-up")
        return True
    return False


def _warmup(
    given: float, steps: int, draft: Draft, habits: Habits, percent: bool
) -> tuple[int, str]:
    """Return the warm-up in optimizer steps, and how it came about."""
    if percent:
        return round(steps * given / 100), f"{given:g} % of {steps:,} steps"
    if given < 1:
        return round(steps * given), f"a share of {steps:,} steps"
    accumulation = int(draft.get("train.accumulation") or 1)
    if habits.warmup_in_batches and accumulation > 1:
        return round(given / accumulation), f"counted in batches there, {accumulation} a step"
    return int(given), ""

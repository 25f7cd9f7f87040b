"""May a metric judge here? Its answers to known damage, on this benchmark's own pictures, decide.

A metric is licensed where it finds every damage of its duty worse than real pictures, and where
its value follows the share of pictures in the right style. One that misses a damage is blind to
it, or has too few pictures to say: then an effect of the size that was seen would be sure with
more of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Response = Literal["worse", "better", "none", "unavailable"]
State = Literal["licensed", "blind", "too-few", "unavailable"]
POWER = 1.43
"""By how much an interval's half-width must be exceeded to be so again in 4 of 5 repetitions."""
MOST = 100
"""More pictures than so many times those at hand are not asked for: the metric counts as blind."""
LARGE = 0.5
"""A damage may be missed for want of pictures if it may be so much of the largest one found."""


@dataclass(frozen=True)
class Answer:
    """How one metric answers one damage."""

    value: float | None
    delta: float | None
    """The change from real pictures."""
    low: float | None
    high: float | None
    response: Response
    reason: str | None = None


@dataclass(frozen=True)
class Licence:
    """Whether a metric may rank, recommend, pass or fail, and if not, why."""

    state: State
    missed: tuple[str, ...] = ()
    """The damages that it should find worse, and does not."""
    needed: int | None = None
    """About how many pictures would tell."""
    reason: str | None = None
    unasked: tuple[str, ...] = ()
    """Damages of its duty that could not be done here, such as another style without a base."""

    def __str__(self) -> str:
        damages = ", ".join(self.missed)
        if self.state == "blind":
            return f"blind to {damages}"
        if self.state == "too-few":
            return f"too few pictures to say ({damages}): about {self.needed} would do"
        if self.unasked:
            return f"{self.state}, not asked about {', '.join(self.unasked)}"
        return self.state if self.reason is None else f"{self.state}: {self.reason}"


def licence(
    duty: Sequence[str],
    answers: Mapping[str, Answer],
    n: int,
    rises: bool,
    mixtures: Sequence[str] = (),
) -> Licence:
    """Return the licence of a metric that must detect `duty`, judged on `n` pictures.

    `rises` says that higher values are better. `mixtures` names the damages that are shares of
    another style, small shares first; they count where the last of them is among the duty.
    """
    asked = [name for name in duty if name in answers]
    lost = [name for name in asked if answers[name].response == "unavailable"]
    if lost:
        return Licence("unavailable", reason=answers[lost[0]].reason)
    missed = tuple(name for name in asked if answers[name].response != "worse")
    if missed:
        largest = max(
            (_harm(each, rises) for each in answers.values() if _is_sure(each)), default=0
        )
        needed = [_needed(answers[name], n, rises, LARGE * largest) for name in missed]
        if any(each is None for each in needed):
            blind = [name for name, each in zip(missed, needed, strict=True) if each is None]
            return Licence("blind", tuple(blind))
        return Licence("too-few", missed, max(each for each in needed if each))
    graded = [name for name in mixtures if name in answers]
    if graded and graded[-1] in asked:
        turned = _out_of_order([answers[name] for name in graded], rises)
        if turned is not None:
            return Licence("blind", (f"the share of another style at {graded[turned]}",))
    return Licence("licensed", unasked=tuple(name for name in duty if name not in answers))


def _is_sure(answer: Answer) -> bool:
    return answer.response == "worse"


def _harm(answer: Answer, rises: bool) -> float:
    """Return how much worse an answer is than real pictures."""
    return 0.0 if answer.delta is None else -answer.delta if rises else answer.delta


def _needed(answer: Answer, n: int, rises: bool, large: float) -> int | None:
    """Return how many pictures would find this damage worse; None where no number that is near.

    They must show the change that was seen, or a `large` one, as far as that is not ruled out.
    """
    harm, above, below = _harm(answer, rises), _reach(answer, not rises), _reach(answer, rises)
    likely = large if 0 < large <= harm + above else 0.0
    effect = harm if POWER * below <= harm * math.sqrt(MOST) else likely
    if effect <= 0 or POWER * below > effect * math.sqrt(MOST):
        return None
    return max(math.ceil(n * (POWER * below / effect) ** 2), n + 1)


def _out_of_order(answers: Sequence[Answer], rises: bool) -> int | None:
    """Return the first share that is found better than a smaller one, and not by chance."""
    for at, (less, more) in enumerate(pairwise(answers), 1):
        if less.delta is None or more.delta is None:
            continue
        gained = (more.delta - less.delta) * (1 if rises else -1)
        if gained > math.hypot(_reach(less, rises), _reach(more, not rises)):
            return at
    return None


def _reach(answer: Answer, up: bool) -> float:
    """Return how far an answer's interval reaches up from its change, or down."""
    if answer.delta is None or answer.low is None or answer.high is None:
        return math.inf
    return answer.high - answer.delta if up else answer.delta - answer.low

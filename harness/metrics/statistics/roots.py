"""Where a function of one number is zero.

`scipy.optimize.brentq` finds the same digits; importing it takes longer than a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CLOSE, CLOSE_SHARE = 2e-12, 8.881784197001252e-16
"""How near to the root the search ends: so much, and such a share of the root."""
STEPS = 100


@dataclass(frozen=True)
class _Point:
    x: float
    y: float


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return a zero between two places where the function has opposite signs.

    Brent (1973, Algorithms for Minimization without Derivatives, ch. 4): a step by interpolation
    where it shrinks the bracket fast enough, else by bisection.
    """
    last, here = _Point(low, function(low)), _Point(high, function(high))
    for end in (last, here):
        if end.y == 0:
            return end.x
    if (last.y < 0) == (here.y < 0):
        raise ValueError("the function has one sign at both ends")
    across, step, before = last, 0.0, 0.0
    for _ in range(STEPS):
        if (last.y < 0) != (here.y < 0):
            across = last
            step = before = here.x - last.x
        if abs(across.y) < abs(here.y):
            last, here, across = here, across, here
        least = (CLOSE + CLOSE_SHARE * abs(here.x)) / 2
        half = (across.x - here.x) / 2
        if here.y == 0 or abs(half) < least:
            return here.x
        jump = _interpolated(last, here, across) if _may_jump(before, least, last, here) else None
        if jump is not None and 2 * abs(jump) < min(abs(before), 3 * abs(half) - least):
            before, step = step, jump
        else:
            before = step = half
        last = here
        x = here.x + (step if abs(step) > least else least if half > 0 else -least)
        here = _Point(x, function(x))
    raise ValueError(f"no zero was found in {STEPS} steps")


def _may_jump(before: float, least: float, last: _Point, here: _Point) -> bool:
    return abs(before) > least and abs(here.y) < abs(last.y)


def _interpolated(last: _Point, here: _Point, across: _Point) -> float:
    """Return the step to the zero of the line through two points, or of a curve through three."""
    if last.x == across.x:
        return -here.y * (here.x - last.x) / (here.y - last.y)
    one = (last.y - here.y) / (last.x - here.x)
    two = (across.y - here.y) / (across.x - here.x)
    return -here.y * (across.y * two - last.y * one) / (two * one * (across.y - last.y))

"""What a gate and its checks say in words.

Whatever came from prompts, pages or plugins is taken for hostile: it is put on one line, cut, and
escaped for where it goes.
"""

from __future__ import annotations

from harness.decisions.check import EVERYTHING, HELD, Check
from harness.decisions.gate import Gate
from harness.report import numbers
from harness.report.numbers import number

ORDER = ("fail", "under-powered", "pass")
SOURCES = {"policy": "policy", "noise": "noise", "convention": "convention", None: "–"}
LEGEND = (
    "effect: candidate minus baseline, or for a bound the candidate's own value, with its 95 % "
    "interval; a check fails where harm is sure (Holm, 5 % over all checks) and beyond what is "
    "allowed, and passes where the whole interval is allowed"
)
SCOPES = {"file": "files, not about every training", "recipe": "recipes: any training of either"}
SAYS: dict[tuple[str, str], str] = {
    ("non-inferiority", "pass"): "is no more than {end} worse",
    ("non-inferiority", "fail"): "is more than {end} worse",
    ("non-inferiority", "under-powered"): "may be more than {end} worse",
    ("case", "pass"): "is no more than {end} worse",
    ("case", "fail"): "is more than {end} worse",
    ("case", "under-powered"): "may be more than {end} worse",
    ("flags", "pass"): "carries a flag on both sides, and is no more than {end} worse",
    ("flags", "fail"): "carries a flag on both sides, and is more than {end} worse",
    ("flags", "under-powered"): "carries a flag on both sides, and may be more than {end} worse",
    ("window", "pass"): "is within ± {end} of the baseline",
    ("window", "fail"): "is not within ± {end} of the baseline",
    ("window", "under-powered"): "may not be within ± {end} of the baseline",
    ("bound", "pass"): "is at {side} {end}",
    ("bound", "fail"): "is not at {side} {end}",
    ("bound", "under-powered"): "may not be at {side} {end}",
}


def headline(gate: Gate) -> str:
    """Return the verdict in one line."""
    count = sum(check.verdict == gate.verdict for check in gate.binding)
    of = f"{count} of {len(gate.binding)} checks"
    said = {
        "pass": f"passes {of}",
        "fail": f"fails {of}",
        "under-powered": f"needs more evidence in {of}",
    }
    mark = " (advisory)" if gate.advisory else ""
    return f"{gate.comparison.a} {said[gate.verdict]} of policy {gate.policy}{mark}"


def title(check: Check) -> str:
    """Return what a check asks, whatever the answer."""
    if not check.metric:
        return f"{check.kind} of {check.case}" if check.case else check.kind
    if check.kind == "missing":
        return f"{check.metric} can be compared"
    is_there = check.allowed != EVERYTHING
    return f"{_subject(check)} {_says(check, 'pass') if is_there else 'has a value'}"


def sentence(check: Check) -> str:
    """Return what is to be said of a check."""
    subject, advice = _subject(check), f"; advisory, {check.advisory}" if check.advisory else ""
    if check.reason is not None:
        return f"{subject}: {check.reason}{advice}"
    says = _says(check, check.verdict)
    return f"{subject} {says} ({effect(check)}){_outlook(check)}{advice}"


def _subject(check: Check) -> str:
    subject = check.metric or check.kind
    return f"{subject} of {check.case}" if check.case else subject


def outcome(check: Check) -> str:
    """Return the verdict in a word, or two where it decides nothing."""
    return check.verdict if check.advisory is None else f"{check.verdict} (flaky)"


def _says(check: Check, verdict: str) -> str:
    low, high = check.allowed.low, check.allowed.high
    side, end = ("most", high) if low is None else ("least", low)
    if check.kind in HELD and verdict == "fail":
        end = check.margin
    assert end is not None
    size = end if check.kind == "bound" else abs(end)
    return SAYS[check.kind, verdict].format(end=f"{size:.4g}", side=side)


def p_value(check: Check) -> str:
    """Return the p of no harm over all checks; a dash where nothing was tested."""
    return numbers.p_value(check.p_adjusted)


def effect(check: Check) -> str:
    """Return an effect with its interval, where there is one."""
    if check.effect is None:
        return "–"
    width = (check.high or 0.0) - (check.low or 0.0)
    value = number(check.effect, width, "" if check.kind == "bound" else "+")
    return f"{value} [{number(check.low, width)}, {number(check.high, width)}]"


def _outlook(check: Check) -> str:
    """Return what it takes to decide."""
    if check.verdict != "under-powered" or check.kind == "bound":
        return ""
    unit = "images of these prompts" if check.kind == "case" else "prompts"
    if check.needed is None and check.kind == "case":
        return f"; too near to what is allowed for any number of {unit} to decide"
    if check.needed is None:
        more = "trainings on either side" if check.claim == "recipe" else "than a million prompts"
        return f"; it takes more {more} to decide"
    if check.needed <= check.prompts:
        return f"; too near to what is allowed for {check.prompts:,} {unit} to decide"
    return f"; it takes {check.needed:,} {unit} to decide, and there are {check.prompts:,}"


def gravest_first(gate: Gate) -> list[Check]:
    return sorted(gate.checks, key=lambda check: ORDER.index(check.verdict))


def remarks(gate: Gate) -> list[str]:
    """Return what else a reader must know."""
    left = [f"left out: {'; '.join(gate.left_out)}"] if gate.left_out else []
    borne = [f"allowed to be missing: {each}" for each in gate.allowed_missing]
    advice = [f"advisory: {each}" for each in gate.advisory]
    return [*advice, *left, *borne, f"it is about these {SCOPES[gate.claim]}"]


def line(text: str, limit: int = 300) -> str:
    """Return a text on one line, cut, without signs that cannot be seen."""
    seen = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * limit])
    words = " ".join(seen.split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def markdown(text: str, limit: int = 300) -> str:
    """Return a text that neither Markdown nor HTML reads as anything but words."""
    return "".join(
        sign if sign.isalnum() or sign in " .,-+%" or not sign.isascii() else f"&#{ord(sign)};"
        for sign in line(text, limit)
    )

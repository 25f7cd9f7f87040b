"""Compare what a page shows with what came out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SAME = (
    (re.compile(r"\b\d+(?:\.\d+)? (?:s|ms|min|seconds|minutes)\b"), "TIME"),
    (re.compile(r"\bmade \d+ steps, reused \d+"), "MADE"),
    (re.compile(r"\b20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?(?:\+00:00|Z)?)?)?"), "DATE"),
)
"""What differs from run to run, and the word that stands for it while two outputs are compared."""


def plain(text: str, folder: Path) -> str:
    """Return an output as a page may show it: no paths of this machine, no space at line ends."""
    text = text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def is_same(shown: str, printed: str) -> bool:
    """Return whether an output is the one that a page shows; `…` matches anything."""
    return re.fullmatch(_pattern(_leveled(shown)), _leveled(printed) + "\n", re.DOTALL) is not None


def shortened(printed: str, shown: str) -> str:
    """Return an output cut as the page cuts it.

    Around one `…` stand as many lines as before; where there are several, the lines whose first
    cell was shown.
    """
    lines, old = printed.splitlines(), shown.splitlines()
    gaps = [number for number, line in enumerate(old) if line.strip() == "…"]
    if len(gaps) > 1:
        return "\n".join(_chosen(lines, old))
    if not gaps or len(lines) <= len(old):
        return printed
    after = len(old) - gaps[0] - 1
    return "\n".join([*lines[: gaps[0]], "…", *(lines[-after:] if after else [])])


def _chosen(lines: list[str], old: list[str]) -> Iterator[str]:
    """Yield the lines that begin as one of the old ones does, and a `…` for those between."""
    keys = {_first_cell(line) for line in old} - {"", "…"}
    is_kept, is_gap = True, False
    for line in lines:
        cell = _first_cell(line)
        if cell:
            is_kept = any(cell.startswith(key) or key.startswith(cell) for key in keys)
        if is_kept:
            yield from ["…", line] if is_gap else [line]
        is_gap = not is_kept


def _first_cell(line: str) -> str:
    """Return what begins a line, up to the next column; of a wrapped row of a table nothing."""
    return re.split(r"\s{2,}|[│┃]", line.strip().lstrip("│┃").strip() + "  ")[0][:14]


def _leveled(text: str) -> str:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    text = "\n".join(lines)
    for pattern, word in SAME:
        text = pattern.sub(word, text)
    return text


def _pattern(shown: str) -> str:
    """Return a regular expression: a line of `…` is any lines, `…` in a line anything in it."""
    lines = []
    for line in shown.splitlines():
        if line.strip() == "…":
            lines.append("(?:.*\n)?")
        else:
            lines.append("[^\n]*".join(re.escape(part) for part in line.split("…")) + "\n")
    return "".join(lines) or "\n"

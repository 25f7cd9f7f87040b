"""The file of a card's figures, and the tables that are made from it. Needs no torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files import write_json

SCHEMA_VERSION = 1
CONSTANTS = {
    "training_flops": "training",
    "sampling_flops": "sampling",
    "launch_seconds": "training",
}
"""What `harness plan` counts with, and the part that measures it."""
Row = dict[str, Any]


class CardFile:
    """`reports/hardware/<card>.json`: written whole after every figure.

    Figures of parts that are not measured this time stay as they were, with their own commit.
    """

    def __init__(self, folder: Path, machine: Mapping[str, Any], parts: Iterable[str]) -> None:
        self.path = folder / f"{slug(machine['card'])}.json"
        self._machine = dict(machine)
        old = read(self.path) if self.path.is_file() else {}
        again = set(parts)
        self._kept: list[Row] = [
            each for each in old.get("figures", []) if each["part"] not in again
        ]
        self.added: list[Row] = []
        """What was measured this time."""

    def add(self, figure: Any) -> Row:
        """Add a figure, write the file, and return what was written of it."""
        row = {**asdict(figure), "commit": self._machine.get("commit")}
        row = json.loads(json.dumps(_finite(row), default=str, allow_nan=False))
        self.added.append(row)
        self.write()
        return row

    def write(self) -> None:
        """Write the file as it is now."""
        content = {"schema_version": SCHEMA_VERSION, **self._machine, "figures": self._figures}
        more = {"forecast": self._forecast(), "unmeasured": self.unmeasured}
        write_json(self.path, {**content, **more})

    @property
    def _figures(self) -> list[Row]:
        return [*self._kept, *self.added]

    def _forecast(self) -> Row:
        """Return the constants of a forecast that were measured; None for the others.

        Of several figures of one speed the highest counts, because it is the sustained one.
        """
        known: Row = {
            "name": self._machine["card"],
            "memory_bytes": self._machine.get("memory_bytes"),
            **dict.fromkeys(CONSTANTS),
        }
        for figure in self._figures:
            for name, value in figure["facts"].get("forecast", {}).items():
                known[name] = max(value, known[name] or value)
        return known

    @property
    def unmeasured(self) -> dict[str, str]:
        """Return the constants of a forecast that no figure gave, and why."""
        known = self._forecast()
        return {name: self._reason(part) for name, part in CONSTANTS.items() if known[name] is None}

    def _reason(self, part: str) -> str:
        """Return why the first figure of a part that has no value has none."""
        of_part = [each for each in self._figures if each["part"] == part]
        reasons = [each["facts"]["reason"] for each in of_part if each["value"] is None]
        return next(iter(reasons), f"the part {part} did not come to it")


def _finite(value: Any) -> Any:
    """Return the value with every number that JSON cannot hold as a word."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
    return value


def slug(card: str) -> str:
    """Return the name of a card as a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")


def read(file: Path) -> Row:
    """Return what a card's file holds."""
    content: Row = json.loads(file.read_text(encoding="utf-8"))
    return content


def summary(figures: Iterable[Row]) -> str:
    """Return the figures as lines for a terminal."""
    return "\n".join(
        f"{each['part']:<12} {each['name']:<34} {_amount(each):>22}  {_note(each)}".rstrip()
        for each in figures
    )


def _amount(figure: Row) -> str:
    value = figure["value"]
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.4g} {figure['unit']}"


def _note(figure: Row) -> str:
    facts = figure["facts"]
    if figure["value"] is None:
        return str(facts.get("reason", ""))
    share, memory, forecast = (facts.get(name) for name in SHOWN)
    words = [] if share is None else [f"{100 * share:.0f} % of the ceiling"]
    if memory:
        words.append(f"{memory / 1e9:.1f} GB")
    if memory and forecast:
        words.append(f"(forecast {forecast / 1e9:.1f})")
    more = [facts["note"]] if facts.get("note") else []
    more += [f"missed: {each}" for each in facts.get("missed", ())]
    return ", ".join([" ".join(words), *more]).strip(", ")


SHOWN = ("share_of_ceiling", "peak_bytes", "forecast_bytes")


def markdown(files: Iterable[Path]) -> str:
    """Return the tables of all cards, as the README has them."""
    return "\n\n".join(_table(read(file)) for file in sorted(files)) or "No card was measured yet."


def _table(content: Row) -> str:
    versions = content.get("versions", {})
    title = (
        f"**{content['card']}**, PyTorch {versions.get('torch')}, commit {content.get('commit')}"
    )
    lines = ["| Part | What | Figure | Of it |", "|---|---|--:|---|"]
    for each in content["figures"]:
        lines.append(f"| {each['part']} | {each['name']} | {_amount(each)} | {_note(each)} |")
    return "\n".join([title, "", *lines])

"""What a LoRA file is, as text for a terminal and as a picture."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.escaping import one_line
from harness.report.terminal import Terminal, new_table

_SHOWN = 6
"""Names of a list that are written out."""


def print_inspection(document: Mapping[str, Any], console: Terminal) -> None:
    """Write the facts of every file, and the overlap of every two."""
    for each in document["files"]:
        _print_file(each, console)
    if document["overlaps"]:
        _print_overlaps(document["overlaps"], console)
    if note := _apart(document["files"]):
        console.print(note)


def _print_file(facts: Mapping[str, Any], console: Terminal) -> None:
    table = new_table(facts["file"])
    table.add_column("fact", style="bold", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in lines(facts):
        table.add_row(name, one_line(value))
    console.print(table)
    blocks = new_table("change by block")
    for heading in ("block", "layers", "‖ΔW‖", "share of energy", "effective rank"):
        blocks.add_column(heading, justify="left" if heading == "block" else "right")
    if facts["relative"] is not None:
        blocks.add_column("‖ΔW‖/‖W‖", justify="right")
    for each in facts["blocks"]:
        cells = [
            one_line(f"{each['part']} {each['block']}"),
            str(each["layers"]),
            _number(_root(each["energy"])),
            "–" if each["share"] is None else f"{each['share']:.1%}",
            _number(each["effective_rank"]),
        ]
        if facts["relative"] is not None:
            cells.append(_percent(each["relative"]))
        blocks.add_row(*cells)
    console.print(blocks)


def lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the facts that fit a line each; what a file does not say has none."""
    base = facts["base"]
    alphas = f"{_counts(facts['alphas'])}, from {facts['alpha_from']}" if facts["alphas"] else ""
    found = {
        "kind": f"{_counts(facts['kinds'])}, in the form of {facts['format']}",
        "base": f"{base['family']}, because {base['because']}",
        "changes": _counts(facts["parts"]),
        "targets": _counts(facts["targets"]),
        "ranks": _counts(facts["ranks"]),
        "alphas": alphas or (facts["alpha_from"] if facts["ranks"] else ""),
        "numbers": f"{facts['parameters']:,} in {_counts(facts['dtypes'])}",
        "size": f"{_bytes(facts['bytes'])}, SHA-256 {facts['sha256']}",
        "‖ΔW‖": _size(facts["energy"]),
        "‖ΔW‖/‖W‖": _percent(facts["relative"]) if facts["relative"] is not None else "",
        "effective rank": _number(facts["effective_rank"]),
        "NOT FINITE": _names(facts["not_finite"]),
        "changes nothing": _names(facts["dead"]),
        "not understood": _names(facts["unknown"]),
        "also holds": ", ".join(facts["extras"]),
        "trainer": facts["trainer"],
        **{word: _written(value) for word, value in facts["recipe"].items()},
        **{f"spec: {word}": value for word, value in facts["specification"].items()},
        "judgement": judgement["sentence"] if (judgement := facts["judgement"]) else "",
    }
    return [(name, value) for name, value in found.items() if value]


def _apart(files: Sequence[Mapping[str, Any]]) -> str:
    """Return a word on files of different bases: they do not stack, whatever they change."""
    families = dict.fromkeys(each["base"]["family"] for each in files)
    told = [name for name in families if not re.search("unknown| or ", name)]
    if len(told) < 2:
        return ""
    return f"They are made for different bases ({', '.join(told)}): one pipeline takes one of them."


def _print_overlaps(overlaps: Sequence[Mapping[str, Any]], console: Terminal) -> None:
    table = new_table("two at a time", "together 1: they stack as if each were alone")
    for heading in ("a", "b"):
        table.add_column(heading, overflow="fold")
    for heading in ("layers", "cosine", "same outputs", "same inputs", "together"):
        table.add_column(heading, justify="right")
    for each in overlaps:
        table.add_row(
            one_line(each["a"]),
            one_line(each["b"]),
            str(each["layers"]),
            *(_number(each[name]) for name in ("cosine", "outputs", "inputs", "together")),
        )
    console.print(table)


def picture(document: Mapping[str, Any]) -> str:
    """Return an SVG: the change of every block, a row of bars a file."""
    bars = [
        (facts["file"], each)
        for facts in document["files"]
        for each in facts["blocks"]
        if each["energy"]
    ]
    most = max((each["energy"] ** 0.5 for _, each in bars), default=1.0)
    rows, above = [], ""
    at = 20
    for file, each in bars:
        if file != above:
            rows.append(_text(10, at, file, "bold"))
            above, at = file, at + 22
        wide = 420 * each["energy"] ** 0.5 / most
        rows.append(_text(10, at, f"{each['part']} {each['block']}"))
        rows.append(f'<rect x="230" y="{at - 11}" width="{wide:.1f}" height="13" fill="#4a7dbd"/>')
        rows.append(_text(int(236 + wide), at, f"{each['energy'] ** 0.5:.3g}"))
        at += 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="740" height="{at + 4}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" '
        f'fill="#ffffff"/>\n{chr(10).join(rows)}\n</svg>\n'
    )


def _text(x: int, y: int, words: str, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{html.escape(one_line(words))}</text>'


def _counts(counted: Mapping[str, int]) -> str:
    if len(counted) == 1:
        ((word, count),) = counted.items()
        return f"{word} ({count})"
    shown = [f"{word} ({count})" for word, count in list(counted.items())[:_SHOWN]]
    more = [f"and {len(counted) - _SHOWN} more"] if len(counted) > _SHOWN else []
    return ", ".join([*shown, *more])


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: " + ", ".join(name[:90] for name in names[:_SHOWN]) + more


def _root(energy: float | None) -> float | None:
    return None if energy is None else energy**0.5


def _size(energy: float | None) -> str:
    if energy is None:
        return "– the file alone does not tell it"
    return f"{energy**0.5:.4g}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"

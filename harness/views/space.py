"""The card that makes a folder with a static site a Space of the Hugging Face hub.

A Space is shown as it lies there: nothing of ours runs on the hub. No name of a result stands in
the card's header, which the hub reads as YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.decisions.leaderboard import Board
from harness.errors import UsageError
from harness.escaping import in_code
from harness.files import write_text

HEADER = """---
title: LoRA leaderboard
sdk: static
app_file: index.html
pinned: false
tags:
  - leaderboard
  - text-to-image
  - lora
---
"""


def write_card(out: Path, boards: Sequence[Board]) -> Path:
    """Write the card of a Space; one that a person wrote stays as it is."""
    file = out / "README.md"
    if file.exists():
        _require_static(file)
    else:
        write_text(file, card(boards))
    return file


def card(boards: Sequence[Board]) -> str:
    """Return the card: its header, and what is on each board."""
    lines = [
        f"- `{in_code(board.benchmark)}` ({in_code(board.signature)}): {len(board.rows)} results, "
        f"ranked by {in_code(board.ranked_by) if board.ranked_by else 'no metric'}"
        for board in boards
    ]
    return "\n".join(
        [
            f"{HEADER}",
            "# LoRA leaderboard",
            "",
            "Results with their intervals, and their images side by side. Rows of one board were",
            "judged alike: same prompts, seeds, sampler and metrics.",
            "",
            *lines,
            "",
            "The numbers are in `leaderboard.csv`. Written by harness.",
            "",
        ]
    )


def _require_static(file: Path) -> None:
    """Refuse a card by which the hub would not show the site."""
    text = file.read_text(encoding="utf-8", errors="replace")
    header = text.split("---", 2)[1].splitlines() if text.startswith("---") else []
    if "sdk: static" not in [line.rstrip() for line in header]:
        raise UsageError(
            f"{file} is no card of a static Space",
            hint="write `sdk: static` into its header, or remove it",
        )

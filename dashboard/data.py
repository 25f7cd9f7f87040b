"""What the pages show, as plain values; no Streamlit and no network library in here."""

from __future__ import annotations

import html
import os
from pathlib import Path

import pandas as pd

from harness import api
from harness.board import Board, score_of
from harness.report import Grid, grid


def reports() -> Path:
    return Path(os.environ.get("HARNESS_REPORTS", "reports"))


def boards() -> list[Board]:
    """Return every board below the reports folder."""
    return api.leaderboard(reports(), None)


def label(board: Board) -> str:
    return f"{board.benchmark} · {board.signature[:8]} · {len(board.rows)} recipes"


def table(board: Board) -> pd.DataFrame:
    """Return a line a recipe: rank, then value and interval of every metric."""
    lines = []
    for row in board.rows:
        line: dict[str, object] = {"rank": row.rank, "recipe": row.result.recipe}
        for metric in board.metrics:
            score = score_of(row.result, metric)
            line[metric] = score.value if score else None
            line[f"{metric} low"] = score.low if score else None
            line[f"{metric} high"] = score.high if score else None
        images = row.result.images
        line["images"] = f"{images.scored} of {images.expected}"
        line["training seeds"] = len(row.result.training_seeds)
        lines.append(line)
    return pd.DataFrame(lines)


def pictures(board: Board, limit: int) -> Grid:
    """Return the first `limit` prompts under every recipe."""
    store = api.default_store()
    return grid(board.rows, lambda result: api.images_of(result, store), 1, limit)


def picture_table(shown: Grid) -> str:
    """Return the grid as HTML in which every word of a prompt is text and nothing else."""
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in shown.columns)
    lines = []
    for row in shown.rows:
        cells = "".join(
            f'<td><img src="{image}" width="104" alt="{html.escape(row.prompt_id)}"></td>'
            if image
            else "<td>no image</td>"
            for image in row.images
        )
        words = f"<b>{html.escape(row.prompt_id)}</b><br>{html.escape(row.text)}"
        lines.append(f'<tr><td style="max-width:18rem">{words}</td>{cells}</tr>')
    return f"<table><tr><th></th>{heads}</tr>{''.join(lines)}</table>"

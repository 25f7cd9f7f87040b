"""Boards and results → text for a terminal, and one HTML page that needs no server."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from harness.board import Board, Row, arrow, cell, placed, ranged, score_of, seeds
from harness.card import Card
from harness.forecast import Forecast, Planned
from harness.groups import Part
from harness.learning.schedules import rates
from harness.records import Result, Score
from harness.report.environment import environment
from harness.run import Outcome
from harness.stages.files import Entry, read_index

THUMBNAIL = 192
BESIDE, COLUMN = 56, 17
"""Letters that a board takes beside its metrics, and for each of them."""
FindImages = Callable[[Result], Path | None]
FindFolder = Callable[[Result, str], Path | None]
"""The folder of a result's step, where it is at hand."""


@dataclass(frozen=True)
class Mark:
    """One value on a metric's own axis, all in percent of its width."""

    low: float
    high: float
    value: float
    floor: float | None = None
    """Real pictures."""
    base: float | None = None
    """The bare base."""


@dataclass(frozen=True)
class GridRow:
    """One prompt, and its image in every column."""

    prompt_id: str
    text: str
    images: tuple[str | None, ...]
    """A data URI a column; None where the image is not there."""


@dataclass(frozen=True)
class Grid:
    """Prompts down, recipes and seeds across."""

    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


def print_boards(boards: Sequence[Board], console: Console, everything: bool = False) -> None:
    """Write the boards as tables for a terminal: one metric a family, or every one."""
    for board in boards:
        table = Table(
            title=f"{board.benchmark} · signature {board.signature}", title_justify="left",
            caption=f"ranked by {board.ranked_by}; rows that cannot be told apart share a rank; "
            "seeds: how many trainings a row speaks for",
            caption_justify="left",
        )  # fmt: skip
        table.add_column("rank", justify="right", min_width=4)
        table.add_column("recipe", style="bold", no_wrap=True)
        room = max(2, (console.width - BESIDE) // COLUMN)
        metrics = board.metrics if everything else board.headlines[:room]
        for metric in metrics:
            table.add_column(f"{metric} {arrow(board, metric)}", justify="right", no_wrap=True)
        table.add_column("images", justify="right", min_width=6)
        table.add_column("seeds", justify="right", min_width=5)
        for row in board.rows:
            images = row.result.images
            table.add_row(
                row.rank, "\n⚑ ".join([row.result.recipe, *row.flags]),
                *[_stacked(score_of(row.result, metric)) for metric in metrics],
                f"{images.scored}/{images.expected}", seeds(row.result).split(" ")[0],
            )  # fmt: skip
        console.print(table)


def _stacked(score: Score | None) -> str:
    """Return a value above its interval; why there is none is in the file and on the page."""
    if score is None or score.value is None:
        return "–"
    return cell(score).replace(" [", "\n[", 1)


def html(
    boards: Sequence[Board], find: FindFolder, title: str, seed_limit: int = 1,
    cards: Mapping[str, Card] | None = None, parts: Sequence[Part] = (),
) -> str:  # fmt: skip
    """Return one page: each board with its intervals drawn, the grid of prompt × recipe, the
    pictures that were copied, the benchmark's sanity card, and one result's scores by group."""
    return (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            title=title,
            boards=[
                {
                    "board": board,
                    "marks": {metric: _marks(board, metric) for metric in board.metrics},
                    "arrows": {metric: arrow(board, metric) for metric in board.metrics},
                    "grid": grid(board.rows, lambda result: find(result, "sample"), seed_limit),
                    "pairs": _pairs(board, find),
                    "card": (cards or {}).get(board.benchmark),
                }
                for board in boards
            ],
            groups=by_group(parts),
            cell=cell,
            placed=placed,
            score_of=score_of,
            seeds=seeds,
        )
    )


@dataclass(frozen=True)
class Grouped:
    """Groups of prompts across, metrics down."""

    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Each metric with a cell a group."""


def by_group(parts: Sequence[Part]) -> Grouped:
    """Return parts as the cells of a table."""
    groups = tuple(dict.fromkeys(part.group for part in parts))
    found = {(part.metric, part.group): part for part in parts}
    rows = [
        (metric, tuple(_part(found.get((metric, group))) for group in groups))
        for metric in dict.fromkeys(part.metric for part in parts)
    ]
    return Grouped(groups, tuple(rows))


def _part(part: Part | None) -> str:
    if part is None:
        return "–"
    return f"{part.value:.3g}" if part.ends is None else ranged(part.value, *part.ends)


def print_groups(parts: Sequence[Part], console: Console) -> None:
    """Write scores by suite and by tag as a table for a terminal."""
    grouped = by_group(parts)
    table = Table(title="by suite and tag", title_justify="left")
    table.add_column("metric", style="bold", no_wrap=True)
    for group in grouped.groups:
        table.add_column(group, justify="right")
    for metric, cells in grouped.rows:
        table.add_row(metric, *cells)
    console.print(table)


def _marks(board: Board, metric: str) -> dict[str, Mark]:
    """Return where each row's interval lies on one axis that holds them all, and both ends."""
    whole = {
        row.result.recipe: (score.low, score.value, score.high)
        for row in board.rows
        if (score := score_of(row.result, metric)) is not None
        and score.low is not None and score.value is not None and score.high is not None
    }  # fmt: skip
    if not whole:
        return {}
    floor, base = board.floors.get(metric), board.base(metric)
    ends = [end for end in (floor, base) if end is not None]
    left = min([low for low, _, _ in whole.values()] + ends)
    right = max([high for _, _, high in whole.values()] + ends)
    width = (right - left) or 1.0

    def percent(value: float) -> float:
        return round(2 + 96 * (value - left) / width, 2)

    ticks = {end: None if value is None else percent(value)
             for end, value in (("floor", floor), ("base", base))}  # fmt: skip
    return {
        name: Mark(percent(low), percent(high), percent(value), **ticks)
        for name, (low, value, high) in whole.items()
    }


def _pairs(board: Board, find: FindFolder) -> list[tuple[str, list[str]]]:
    """Return, for each row with a flag, pictures of the worst pairs, as data URIs."""
    found = []
    for row in board.rows:
        folder = find(row.result, "score") if row.flags else None
        files = sorted((folder / "pairs").glob("*.png")) if folder else []
        if files:
            found.append((row.result.recipe, [thumbnail(file) for file in files[:8]]))
    return found


def grid(
    rows: Sequence[Row], find_images: FindImages, seed_limit: int, limit: int | None = None
) -> Grid:
    """Return up to `limit` prompts under every recipe, at the first `seed_limit` seeds."""
    folders = [find_images(row.result) for row in rows]
    found = [
        {(entry.id, entry.seed): entry for entry in read_index(folder)} if folder else {}
        for folder in folders
    ]
    texts = {entry.id: entry.text for each in found for entry in each.values()}
    seeds_shown = sorted({seed for each in found for _, seed in each})[:seed_limit]
    columns = [(place, seed) for place in range(len(rows)) for seed in seeds_shown]
    lines = [
        GridRow(
            prompt_id,
            text,
            tuple(
                _shown(folders[place], found[place].get((prompt_id, seed)))
                for place, seed in columns
            ),
        )
        for prompt_id, text in list(texts.items())[:limit]
    ]
    return Grid(tuple(_head(rows, place, seed) for place, seed in columns), tuple(lines))


def _head(rows: Sequence[Row], place: int, seed: int) -> str:
    return f"seed {seed}" if len(rows) == 1 else rows[place].result.recipe


def _shown(folder: Path | None, entry: Entry | None) -> str | None:
    file = picture_of(folder, entry) if folder and entry else None
    return thumbnail(file) if file else None


def picture_of(folder: Path, entry: Entry) -> Path | None:
    """Return an entry's picture, if it has one and it lies where pictures lie."""
    if entry.file is None:
        return None
    file = (folder / entry.file).resolve()
    return file if file.is_relative_to(folder.resolve()) and file.is_file() else None


def thumbnail(file: Path) -> str:
    """Return a small WebP of an image as a data URI; small images stay lossless."""
    with Image.open(file) as image:
        picture = image.convert("RGB")
    small = max(picture.size) <= THUMBNAIL
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=small, quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def plan_text(planned: Planned) -> str:
    """Return a plan as a person reads it."""
    lines = [f"{planned.plan.recipe} × {planned.plan.judgement.benchmark.name}"]
    to_do = {step.key for step in planned.to_do}
    for step in planned.plan.steps:
        state = "done" if step.key in planned.done else "to do" if step.key in to_do else "unneeded"
        lines.append(f"  {state:<8} {step.name:<32} {step.key[:12]}")
    for name, sets in planned.plan.data().items():
        shown = ", ".join(f"{each['use']} {each['name']} @ {each['version']}" for each in sets)
        lines.append(f"  {name:<8} {shown}")
    if planned.recipe.train is not None:
        shown = "  ".join(f"{mark} {rate:.3g}" for mark, _, rate in rates(planned.recipe.train))
        lines.append(f"  rate     {shown}")
    cost = planned.forecast
    lines.append(
        f"  to do    {cost.optimizer_steps:,} optimizer steps, {cost.images:,} images, "
        f"about {duration(cost.seconds)}, {cost.disk_gb:g} GB disk"
    )
    verdict = "" if cost.fits else ", does not fit"
    lines.append(
        f"  {cost.card:<8} {cost.memory_gb:g} of {cost.card_gb:g} GB{verdict}{_pace(cost)}"
    )
    lines.append(f"           ({cost.basis})")
    return "\n".join(lines)


def _pace(cost: Forecast) -> str:
    if cost.step_seconds is None:
        return ""
    samples = f"{cost.samples_per_pass} sample" + "s" * (cost.samples_per_pass != 1)
    return f", {samples} a pass, {cost.step_seconds:.3g} s an optimizer step"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


def outcome_text(outcome: Outcome) -> str:
    """Return one run's result as a person reads it."""
    made = f"  made {len(outcome.made)} steps, reused {len(outcome.reused)}; {outcome.path}"
    return f"{result_text(outcome.result)}\n{made}"


def result_text(result: Result) -> str:
    """Return one result as a person reads it."""
    images = result.images
    lines = [f"{result.recipe} × {result.benchmark}  (signature {result.signature})"]
    width = max(len(score.metric) for score in result.scores)
    for score in result.scores:
        better = "↑" if score.higher_is_better else "↓"
        lines.append(f"  {score.metric:<{width}} {better}  {cell(score)}  n={score.n}")
        if score.flag is not None:
            lines.append(f"  {'':<{width}}    ⚑ {score.flag}")
    lines.append(
        f"  images: {images.expected} expected, {images.generated} there, {images.failed} failed, "
        f"{images.black} black, {images.scored} scored"
    )
    lines += [f"    {name}" for name in images.named[:20]]
    if len(images.named) > 20:
        lines.append(f"    … and {len(images.named) - 20} more, in the result file")
    return "\n".join(lines)

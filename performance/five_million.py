"""Five million rows of metadata, curated and captioned: `python performance/five_million.py`.

About three minutes; `--rows 1000000` takes one, and its figures are printed and not kept. Each
measurement runs in a process of its own, on two cores. Ours is the plan's rules, read and
written as Parquet, with AnimeBoysXL's words for score, aesthetic, rating and year before its
prompt. Theirs is the plan's own `filter` and `map` of `datasets` with two processes, on the first
200,000 of the same rows, and scaled; what loading the set takes is told apart and not counted.
There both do the same work, and every row and prompt is compared. The floor is the engine's own
copy of the same columns into one Parquet file: all rows, no rule, no prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import posts
import pyarrow.parquet as pq
from ledger import Figure, keep, told

from harness.data.curation.curated_set import ROWS, write
from harness.data.curation.engine import Limits
from harness.data.specs import Parquet
from harness.pages import recipe
from harness.pages.data import Data

SIZES = (50_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000)
COMPARED = 200_000
BYTES, COPIES, TIMES = 3e9, 2.0, 20.0
"""What must hold: memory at most, how many copies' time at most, how many times faster at least."""
ROUNDS = 3
"""How often the largest size and its copy are measured, in turns."""
FACTS = ("rating", "score", "aesthetic", "year", "width", "height", "phash")


def page(folder: Path, rows: int, scales: bool) -> Data:
    """Return the plan's data section over the first `rows` posts."""
    plan, boys = recipe.load("danbooru-1024").data, recipe.load("animeboys-xl").data
    assert plan is not None
    assert boys is not None
    words = ("score_tags", "aesthetic_tags", "rating_tags", "year")
    more = {name: getattr(boys.caption, name) for name in words} if scales else {}
    source = Parquet(
        use="parquet",
        files=str(folder / f"posts-{{0000..{rows // posts.CHUNK - 1:04d}}}.parquet"),
        id="id",
        text="caption",
        tags="danbooru_tags",
        facts={name: name for name in FACTS},
    )
    caption = plan.caption.model_copy(update=more)
    return plan.model_copy(update={"source": source, "caption": caption})


def make(folder: Path, rows: int) -> None:
    """Write the posts that are not there yet, 50,000 a file."""
    files = [folder / f"posts-{number:04d}.parquet" for number in range(rows // posts.CHUNK)]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(make_chunk, (file for file in files if not file.exists())))


def make_chunk(file: Path) -> None:
    part = file.with_suffix(".part")
    pq.write_table(posts.chunk(int(file.stem[-4:])), part, compression="zstd")
    part.replace(file)


def ours(folder: Path, rows: int, scales: bool, out: Path) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    written = write(page(folder, rows, scales), 1024, None, out, Limits(threads=2))
    return {
        "seconds": time.perf_counter() - began,
        "kept": sum(written.kept),
        "dropped": dict(written.dropped),
    }


def copied(folder: Path, rows: int, out: Path) -> dict[str, Any]:
    """Copy the same columns of the same rows with the same engine, and do nothing else."""
    from harness.data.curation.engine import opened
    from harness.data.sql import listed, literal

    files = listed(str(folder / f"posts-{at:04d}.parquet") for at in range(rows // posts.CHUNK))
    columns = ", ".join(("id", "caption", "danbooru_tags", *FACTS))
    rows_sql = f"SELECT {columns} FROM read_parquet([{files}])"
    began = time.perf_counter()
    with opened(Limits(threads=2)) as engine:
        engine.execute(f"COPY ({rows_sql}) TO {literal(str(out))} (FORMAT parquet, CODEC zstd)")
    return {"seconds": time.perf_counter() - began, "kept": rows}


def theirs(folder: Path, out: Path) -> dict[str, Any]:
    """Curate as the plan's code does."""
    from datasets import load_dataset

    files = [str(folder / f"posts-{at:04d}.parquet") for at in range(COMPARED // posts.CHUNK)]
    loaded = time.perf_counter()
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))
    began = time.perf_counter()
    kept = rows.filter(is_good, num_proc=2)
    made = kept.map(build_prompt, num_proc=2)
    seconds = time.perf_counter() - began
    made.select_columns(["id", "prompt"]).to_parquet(str(out / "theirs.parquet"))
    return {"seconds": seconds, "kept": len(made), "loading": began - loaded}


def is_good(row: dict[str, Any]) -> bool:
    shape = row["width"] / row["height"]
    if min(row["width"], row["height"]) < 768:
        return False
    if not (0.7 <= shape <= 1.4):
        return False
    return row.get("rating") in ["general", "safe"]


def build_prompt(row: dict[str, Any]) -> dict[str, str]:
    tags = row["danbooru_tags"].split(" ")
    selected = [tag.replace("_", " ") for tag in tags if tag in posts.IMPORTANT_SET]
    prompt = "masterpiece, best quality"
    if selected:
        prompt += ", " + ", ".join(selected)
    if row.get("caption"):
        prompt += ", " + row["caption"]
    return {"prompt": prompt}


def child(*words: str) -> dict[str, Any]:
    """Run one measurement in a process of its own, and add its peak of memory."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(words: list[str]) -> None:
    """Do what a child is asked for, and print what it cost."""
    what, folder, rows, out = words[0], Path(words[1]), int(words[2]), Path(words[3])
    if what == "theirs":
        found = theirs(folder, out)
    elif what == "copy":
        found = copied(folder, rows, out)
    else:
        found = ours(folder, rows, what == "scales", out)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**found, "peak": used.ru_maxrss * 1024, "busy": used.ru_utime}))


def unlike(folder: Path) -> int:
    """Return how many rows of the two results differ."""
    mine = pq.read_table(folder / "plan" / ROWS, columns=["id", "prompt"]).to_pylist()
    other = pq.read_table(folder / "theirs.parquet").to_pylist()
    return abs(len(mine) - len(other)) + sum(
        one != two for one, two in zip(mine, other, strict=False)
    )


def compare(folder: Path) -> float:
    """Return how many rows a second theirs takes, after every row and prompt was compared."""
    plan = child("plan", str(folder), str(COMPARED), str(folder / "plan"))
    other = child("theirs", str(folder), str(COMPARED), str(folder))
    odd = unlike(folder)
    print(
        f"{COMPARED:,} rows, the plan's rules and prompt alone: ours {plan['seconds']:.2f} s, "
        f"datasets with two processes {other['seconds']:.1f} s and {other['loading']:.1f} s to "
        f"load; {plan['kept']:,} and "
        f"{other['kept']:,} rows kept, {odd} of them unlike",
        flush=True,
    )
    if odd:
        sys.exit("rows or prompts differ")
    return COMPARED / float(other["seconds"])


def costs(folder: Path, rows: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for size in sorted({size for size in (*SIZES, rows) if size <= rows}):
        found = child("scales", str(folder), str(size), str(folder / "scales"))
        print(
            f"{size:>9,} rows  {found['seconds']:6.2f} s  ({found['busy']:.1f} s of cores)  "
            f"{found['peak'] / 1e9:.2f} GB at most  "
            f"{found['kept']:,} kept",
            flush=True,
        )
        yield size, found


def beside_a_copy(folder: Path, rows: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Return what ours costs, several times, and the seconds of as many plain copies."""
    mine, plain = [], []
    for _ in range(ROUNDS):
        plain.append(child("copy", str(folder), str(rows), str(folder / "copy.parquet"))["seconds"])
        mine.append(child("scales", str(folder), str(rows), str(folder / "scales")))
    (folder / "copy.parquet").unlink()
    return mine, plain


def figures(folder: Path, rows: int, rate: float, slope: float) -> list[Figure]:
    """Return what the largest size costs beside a copy and beside datasets."""
    mine, plain = beside_a_copy(folder, rows)
    seconds, name = [each["seconds"] for each in mine], f"{rows:,} rows"
    floor = statistics.median(plain)
    return [
        Figure(name, seconds, floor=floor, against=f"the engine's copy of them: {floor:.2f} s"),
        Figure(
            f"{name} by a plain copy",
            [own / copy for own, copy in zip(seconds, plain, strict=True)],
            "×",
            target=COPIES,
            floor=1.0,
        ),
        Figure(
            f"{name} beside datasets",
            [rows / rate / own for own in seconds],
            "×",
            "higher",
            target=TIMES,
            against=f"filter and map with two processes, scaled: {rows / rate:.0f} s",
        ),
        Figure(
            f"{name}, memory",
            [each["peak"] / 1e9 for each in mine],
            "GB",
            target=BYTES / 1e9,
        ),
        Figure(f"{name}, a row by a row of a tenth as many", [slope], "×", target=1.2),
    ]


def main(rows: int, folder: Path, plot: Path | None) -> None:
    make(folder, rows)
    rate = compare(folder)
    found = dict(costs(folder, rows))
    print(f"dropped: {found[rows]['dropped']}")
    few = max(size for size in found if size <= rows // 10)
    slope = found[rows]["seconds"] / rows / (found[few]["seconds"] / few)
    measured = figures(folder, rows, rate, slope)
    if rows == SIZES[-1]:
        keep(Path(__file__).stem, measured)
    else:
        print("\n".join(map(told, measured)))
    if plot is not None:
        plot.write_text(drawing(found, rate), encoding="utf-8")


def drawing(found: dict[int, dict[str, Any]], rate: float) -> str:
    """Return seconds over rows as SVG, both axes by tenfolds."""
    import math

    def x(rows: float) -> float:
        return round(60 + 500 * (math.log10(rows) - 4.6) / 2.2, 1)

    def y(seconds: float) -> float:
        return round(290 - 250 * (math.log10(max(seconds, 0.1)) + 1) / 4, 1)

    marks = [(x(rows), y(each["seconds"]), rows, each) for rows, each in sorted(found.items())]
    lines = [f'<polyline class="o" points="{" ".join(f"{a},{b}" for a, b, _, _ in marks)}"/>']
    for a, b, rows, each in marks:
        words = f"{rows:,} rows: {each['seconds']:.1f} s, {each['peak'] / 1e9:.2f} GB"
        lines += [
            f'<circle class="o" cx="{a}" cy="{b}" r="4"><title>{words}</title></circle>',
            f'<text x="{a}" y="{b - 9}" text-anchor="middle">{each["seconds"]:.1f} s</text>',
        ]
    ends = [(x(rows), y(rows / rate)) for rows in (min(found), max(found))]
    theirs = f"datasets, filter and map: {max(found) / rate:,.0f} s (scaled)"
    lines += [
        f'<polyline class="t" points="{" ".join(f"{a},{b}" for a, b in ends)}"/>',
        f'<text x="{ends[1][0]}" y="{ends[1][1] - 9}" text-anchor="end">{theirs}</text>',
    ]
    for seconds in (0.1, 1, 10, 100, 1000):
        lines += [
            f'<path class="g" d="M60 {y(seconds)}H560"/>',
            f'<text x="52" y="{y(seconds) + 4}" text-anchor="end">{seconds:g} s</text>',
        ]
    for rows in found:
        name = f"{rows // 1000} k" if rows < 1e6 else f"{rows // 1_000_000} M"
        lines.append(f'<text x="{x(rows)}" y="310" text-anchor="middle">{name}</text>')
    style = (
        "text{font:12px sans-serif;fill:#6d6a7c}.o{fill:none;stroke:#d9641e;stroke-width:2}"
        "circle.o{fill:#d9641e}.t{fill:none;stroke:#2f7d4f;stroke-width:2;stroke-dasharray:5 4}"
        ".g{stroke:#8884;fill:none}"
    )
    title = "Seconds to curate and caption so many rows of metadata, two cores"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 330" role="img">\n'
        f'<style>{style}</style>\n<text x="60" y="20">{title}</text>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(measure(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, default=SIZES[-1], help="a multiple of 50,000, at least 500,000"
    )
    parser.add_argument("--out", type=Path, help="keep the posts here, and take those there")
    parser.add_argument("--plot", type=Path, help="write the costs as SVG")
    asked = parser.parse_args()
    with TemporaryDirectory() as scratch:
        place = asked.out or Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        main(asked.rows, place, asked.plot)

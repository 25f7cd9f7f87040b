"""Many synthetic results, without a run.

    python performance/synthetic_reports.py OUT --results 1000 --images 200

For the tests and measurements of what browses results. The files are what a run leaves, made from
a published result by moving its values about; pictures are small and few of them differ.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from harness.fingerprint import digest
from harness.pages import benchmark as benchmarks
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile

MODEL = Path(__file__).parents[1] / "reports/pocket-v1/pocket-ninja.json"
METRICS = ("clip-score", "tag-recall", "aesthetic", "style", "clip-i", "artefacts", "base-shift")
POOL = 60


@dataclass(frozen=True)
class SyntheticReports:
    """Where the reports are, their store, and how many results they hold."""

    reports: Path
    store: Path
    results: int


def write_synthetic_reports(
    out: Path, results: int, images: int, text: str = "", seeds: int = 2, pool: int = POOL
) -> SyntheticReports:
    """Write `results` results of `images` images each; `text` is added to every prompt."""
    reports, store = out / "reports", out / "store"
    folder = reports / "pocket-v1"
    folder.mkdir(parents=True, exist_ok=True)
    store.mkdir(exist_ok=True)
    model = json.loads(MODEL.read_text(encoding="utf-8"))
    places = _places(images, seeds)
    pictures = [_picture(number) for number in range(pool)]
    texts = {each.id: each.text for each in benchmarks.load("pocket-v1").prompts}
    for number in range(results):
        name = f"synthetic-{number:04d}"
        random = np.random.default_rng(number)
        file = folder / f"{name}.json"
        _result(file, model, name, images, random)
        _tables(file, places, random)
        _album(ResultFile(file).album_path, places, pictures, number, texts, text)
    return SyntheticReports(reports, store, results)


def _places(images: int, seeds: int) -> list[tuple[str, int]]:
    """Return prompt and seed of every image: the benchmark's prompts first, then made-up ones."""
    ids = [each.id for each in benchmarks.load("pocket-v1").prompts]
    ids += [f"x{number:03d}" for number in range(images)]
    return [(ids[at // seeds], 1 + at % seeds) for at in range(images)]


def _result(
    file: Path, model: dict[str, Any], name: str, images: int, random: np.random.Generator
) -> None:
    shift = float(random.normal(0, 1))
    scores = []
    for score in model["scores"]:
        width = max(1e-3, (score["high"] or 0) - (score["low"] or 0))
        step = (shift + 0.3 * float(random.normal())) * width * 2
        moved = {part: (score[part] or 0.0) + step for part in ("value", "low", "high")}
        scores.append({**score, **moved, "n": images, "flag": None})
    counted = {
        "expected": images,
        "generated": images,
        "failed": 0,
        "black": 0,
        "scored": images,
        "named": [],
    }
    keys = {part: digest([name, part]) for part in ("data", "train", "sample", "score")}
    result = {
        **model,
        "recipe": name,
        "summary": f"Synthetic result {name.removeprefix('synthetic-')}.",
        "keys": keys,
        "scores": scores,
        "images": counted,
    }
    file.write_text(json.dumps(result), encoding="utf-8")


def _tables(file: Path, places: list[tuple[str, int]], random: np.random.Generator) -> None:
    many = len(places)
    samples = {
        "prompt_id": [prompt for prompt, _ in places] * len(METRICS),
        "seed": [seed for _, seed in places] * len(METRICS),
        "metric": [metric for metric in METRICS for _ in places],
        "value": random.normal(0.5, 0.2, many * len(METRICS)),
    }
    pq.write_table(pa.table(samples), ResultFile(file).table_path("samples"))
    prompts = list(dict.fromkeys(prompt for prompt, _ in places))
    columns = ("kid", *METRICS)
    values = {
        "prompt_id": prompts * len(columns),
        "metric": [metric for metric in columns for _ in prompts],
        "value": random.normal(5 + float(random.normal()), 2, len(prompts) * len(columns)),
        "base": pa.nulls(len(prompts) * len(columns), pa.float64()),
    }
    pq.write_table(pa.table(values), ResultFile(file).table_path("prompts"))


def _picture(number: int) -> bytes:
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=75)
    return buffer.getvalue()


def _album(
    file: Path,
    places: list[tuple[str, int]],
    pictures: list[bytes],
    number: int,
    texts: dict[str, str],
    text: str,
) -> None:
    lines = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as written:
        for at, (prompt, seed) in enumerate(places):
            name = f"{digest([number, at])[:32]}.webp"
            written.writestr(name, pictures[(number * 7 + at) % len(pictures)])
            words = f"{texts.get(prompt, f'prompt number {prompt}')}{text}"
            lines.append({"id": prompt, "seed": seed, "text": words, "picture": name})
        index = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        written.writestr(album.INDEX, index)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--results", type=int, default=1000)
    parser.add_argument("--images", type=int, default=200)
    asked = parser.parse_args()
    print(write_synthetic_reports(asked.out, asked.results, asked.images))

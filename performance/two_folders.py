"""Two folders of pictures judged without a page or a hub, beside torch-fidelity on the same.

    python performance/two_folders.py [--pictures 300] [--side 512] [--repeat 1] [--folder DIR]

Ours gives KID, FID, precision, recall, style, diversity, broken pictures and copies, each with an
interval and a licence. The alternative gives FID, KID, precision and recall without intervals, in
its own Inception with random weights, which cost as much as trained ones. The floor is the bare
forward passes of our two networks on the pictures that a run shows them, those of the sanity card
among them (`bare_passes.py`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from bare_passes import floor_of
from ledger import Figure, keep
from PIL import Image
from random_inception import write_random_inception
from torch_fidelity import calculate_metrics

import harness
from harness.pages.benchmark import load
from harness.pocket.world import row

WHY = (
    "pictures are decoded, made 256 pixels, written as the harness keeps them, damaged for the "
    "sanity card and written again; every metric is measured on each set of the card"
)
"""Where the time goes that is not of the networks."""
SETS = {"made": ("ninja", 100_000), "real": ("ninja", 0), "trained": ("ninja", 50_000)}


def draw(folder: Path, pictures: int, side: int) -> None:
    """Write the folders, if they are not there: drawn faces, enlarged."""
    for name, (kind, first) in SETS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for number in range(pictures):
            file = place / f"{number:05d}.png"
            if not file.exists():
                picture: Image.Image = row(kind, first + number).image()
                picture.resize((side, side), Image.Resampling.BICUBIC).save(file)


def ours(folder: Path) -> tuple[float, dict[str, Any], dict[str, dict[str, float]]]:
    """Return the seconds of a first run, what it says of each metric, and what its networks take by
    themselves."""
    begin = perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        store, page = Path(scratch) / "store", Path(scratch) / "folders.yaml"
        run = harness.score_folder(
            folder / "made",
            folder / "real",
            originals=folder / "trained",
            page=page,
            store=store,
            reports=Path(scratch) / "reports",
            quiet=True,
        )
        spent = perf_counter() - begin
        picture = Image.open(folder / "made" / "00000.png").convert("RGB")
        bare = floor_of(load(page).extractors(), store, picture)
    said = {each.metric: [each.value, each.low, each.high, each.licence] for each in run.scores}
    return spent, {"metrics": said, "steps": run.result.provenance["seconds"]}, bare


def theirs(folder: Path) -> float:
    """Return the seconds of torch-fidelity on the same folders."""
    with tempfile.TemporaryDirectory() as scratch:
        weights = write_random_inception(Path(scratch) / "inception.pth")
        count = len(list((folder / "made").iterdir()))
        begin = perf_counter()
        calculate_metrics(
            input1=str(folder / "made"),
            input2=str(folder / "real"),
            cuda=False,
            fid=True,
            kid=True,
            prc=True,
            kid_subset_size=count,
            feature_extractor="inception-v3-compat",
            feature_extractor_weights_path=str(weights),
            cache=False,
            verbose=False,
        )
        return perf_counter() - begin


def figures(pictures: int, runs: Sequence[tuple[float, float, float]]) -> list[Figure]:
    """Return what is kept, of the seconds of ours, of theirs, and of the bare passes."""
    own, other, least = (list(each) for each in zip(*runs, strict=True))
    what = f"{pictures} pictures beside {pictures}"
    return [
        Figure(f"{what}, in a warm process", own, floor=statistics.median(least)),
        Figure(
            f"{what}: torch-fidelity / ours",
            [slow / fast for slow, fast in zip(other, own, strict=True)],
            "×",
            "higher",
            against="torch-fidelity's FID, KID, precision and recall, no interval and no licence",
        ),
        Figure(
            f"{what}: ours / bare passes",
            [mine / bare for mine, bare in zip(own, least, strict=True)],
            "×",
            target=1.15,
            floor=1.0,
            why=WHY,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where drawn pictures stay for another time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        race(asked.folder or Path(scratch), asked.pictures, asked.side, asked.repeat)


def race(folder: Path, pictures: int, side: int, repeat: int) -> None:
    """Judge the folders by both, print what ours says, and keep the figures."""
    draw(folder, pictures, side)
    runs = []
    for _ in range(repeat):
        spent, said, bare = ours(folder)
        runs.append((spent, theirs(folder), sum(each["seconds"] for each in bare.values())))
        print(json.dumps(said | {"bare": bare}, indent=1), flush=True)
    keep("two_folders", figures(pictures, runs))


if __name__ == "__main__":
    main()

"""Two folders of pictures judged without a page or a hub, beside torch-fidelity on the same.

    python performance/two_folders.py [--pictures 300] [--side 512] [--folder DIR]

Ours gives KID, FID, precision, recall, style, diversity, broken pictures and copies, each with an
interval and a licence. The alternative gives FID, KID, precision and recall without intervals, in
its own Inception with random weights, which cost as much as trained ones. The floor is the bare
forward passes of our two networks on as many decoded pictures as a run sees.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from time import perf_counter

import torch
from PIL import Image
from random_inception import write_random_inception
from torch_fidelity import calculate_metrics

import harness
from harness.extractors import lite0
from harness.extractors.specs import Lite0, Lite0Style
from harness.pages.pictures import ENOUGH
from harness.pocket.world import row

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


def ours(folder: Path) -> tuple[float, dict[str, object]]:
    """Return the seconds of a first run, and what it says of each metric."""
    begin = perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        run = harness.score_folder(
            folder / "made",
            folder / "real",
            originals=folder / "trained",
            store=Path(scratch) / "store",
            reports=Path(scratch) / "reports",
            quiet=True,
        )
    spent = perf_counter() - begin
    said = {each.metric: [each.value, each.low, each.high, each.licence] for each in run.scores}
    return spent, said


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


@torch.no_grad()
def floor(pictures: int) -> float:
    """Return the seconds of both networks on as many pictures: three sets and the sanity card."""
    seen = 3 * pictures + 10 * pictures // 2
    picture = Image.effect_noise((ENOUGH, ENOUGH), 64).convert("RGB")
    looks = [
        lite0.pooled(Lite0(side=ENOUGH), "cpu").split,
        lite0.style(Lite0Style(side=ENOUGH), "cpu").split,
    ]
    ready = [(each, each.gather([each.prepare(picture)] * 16)) for each in looks if each]
    begin = perf_counter()
    for look, batch in ready:
        look.compute(batch)
    return (perf_counter() - begin) / 16 * seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=Path("two-folders"))
    asked = parser.parse_args()
    draw(asked.folder, asked.pictures, asked.side)
    least = min(floor(asked.pictures) for _ in range(3))
    spent, said = ours(asked.folder)
    other = theirs(asked.folder)
    found = {
        "pictures": asked.pictures,
        "cores": os.cpu_count(),
        "seconds": round(spent, 1),
        "torch_fidelity": round(other, 1),
        "ratio": round(other / spent, 2),
        "floor": round(least, 1),
        "metrics": said,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

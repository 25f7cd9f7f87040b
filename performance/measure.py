"""How fast small things are, each against a named alternative: `python performance/measure.py`.

Keeps ratios of medians: how many times as long the alternative takes.
"""

from __future__ import annotations

import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from contenders import contender
from ledger import Figure, keep
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import sqrtm
from scipy.stats import permutation_test
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from harness import plugins
from harness.data.decoding import read
from harness.data.sources.tables import tables
from harness.data.specs import Folder, Parquet
from harness.decisions.gate import gate
from harness.diffusion.load import load_pipeline
from harness.diffusion.sampler import ImageSampler, Request
from harness.interfaces import Evidence, FeatureSet, SourceSpec, StageContext
from harness.metrics.fid import fid, frechet
from harness.metrics.specs.fidelity import Fid
from harness.metrics.statistics.paired import sign_flip
from harness.pages.benchmark import Sampler
from harness.pages.decoding import Reading
from harness.pages.recipe import Base
from harness.pages.stages import DataSpec
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.files import save_png
from harness.pocket.world import row

RUNS = 5
FIGURES: list[Figure] = []


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median seconds of `work`, after one run that is not counted."""
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def compare(what: str, ours: float, other: str, theirs: float) -> None:
    """Print one race, and keep its ratio."""
    print(f"{what:<34} {ours:8.3f} s   {other:<34} {theirs:8.3f} s   {theirs / ours:7.1f}×")
    against = f"{other}: {theirs:.3g} s, ours {ours:.3g} s"
    FIGURES.append(Figure(f"{what} / {other}", [theirs / ours], "×", "higher", against=against))


Rows = NDArray[np.float64]


def moments(rows: Rows) -> tuple[Rows, Rows]:
    return rows.mean(0), np.cov(rows, rowvar=False)


def by_sqrtm(own: Rows, reference: Rows) -> float:
    """FID by the root of a matrix, as pytorch-fid and clean-fid have it."""
    (mean, spread), (other_mean, other_spread) = moments(own), moments(reference)
    root = np.trace(sqrtm(spread @ other_spread)).real
    gap = np.square(mean - other_mean).sum()
    return float(gap + np.trace(spread) + np.trace(other_spread) - 2 * root)


def by_torch_fidelity(own: Rows, reference: Rows) -> float:
    sides = [dict(zip(("mu", "sigma"), moments(rows), strict=True)) for rows in (own, reference)]
    return float(next(iter(fid_statistics_to_metric(sides[0], sides[1], False).values())))


def by_torchmetrics(own: Rows, reference: Rows) -> float:
    """FID the way torchmetrics has it, which calls torch's eigenvalues of the product."""
    parts = [torch.from_numpy(part) for rows in (own, reference) for part in moments(rows)]
    return float(_compute_fid(*parts))


def exact_fid() -> None:
    """FID of equal features against three libraries' routes, and with its jackknife."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(1221, 2048))
    others = {
        "sqrtm": by_sqrtm,
        "torch-fidelity": by_torch_fidelity,
        "torchmetrics": by_torchmetrics,
    }
    for n in (100, 500, 1000):
        own = rng.normal(0.05, 1, size=(n, 2048))
        ours, value = median(lambda own=own: frechet(own, reference), 3), frechet(own, reference)  # type: ignore[misc]
        for name, route in others.items():
            began = time.perf_counter()
            other = route(own, reference)
            theirs = time.perf_counter() - began
            if abs(other - value) > value / 1000:
                print(f"{name} says {other}, we say {value}")
            compare(f"FID, {n} of 2048 features", ours, name, theirs)


def jackknife_of_fid() -> None:
    """FID with its interval, against taking each prompt's value from nothing."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(1221, 2048))
    for n in (96, 384):
        own = rng.normal(0.05, 1, size=(n, 2048))
        ids = [str(row // 3) for row in range(n)]
        sides = [FeatureSet(rows, ids, ids, [0] * len(rows)) for rows in (own, reference)]
        evidence = Evidence(sides[0], {"reference": sides[1]})
        ours = median(lambda given=evidence: fid(Fid(use="fid"), given), 1)  # type: ignore[misc]
        once = median(lambda own=own: frechet(own[3:], reference), 3)  # type: ignore[misc]
        compare(f"FID of {n // 3} prompts, interval", ours, "each prompt anew", once * (n // 3 + 1))


def sampling() -> None:
    pipeline = load_pipeline(Base(model="pocket/sdxl"), None, "euler", None, "cpu", "fp32")
    sampler = Sampler(steps=20, guidance=4.0, width=64, height=64)
    artist = ImageSampler(pipeline, sampler, "cpu")
    requests = [Request(f"p{number}", 1, "1girl, red hair, smile") for number in range(16)]
    together = median(lambda: artist.draw(requests), 3)
    alone = median(lambda: [artist.draw([request]) for request in requests], 1)
    compare("16 pocket images in one batch", together, "the same, one by one", alone)


def reading() -> None:
    """Pictures read by named rules, from a folder and from Parquet, against the plain loop.

    Reading alone runs in one thread, as the loop does: two slow each other down on small pictures.
    """
    with tempfile.TemporaryDirectory() as root:
        folder, table = Path(root, "folder"), Path(root, "set.parquet")
        files = photographs(folder, 3000)
        rows = [{"bytes": file.read_bytes(), "path": file.name} for file in files[:2000]]
        pq.write_table(pa.table({"image": rows}), table, row_group_size=200)
        del rows

        def plain_folder() -> None:
            for file in files:
                with Image.open(file) as image:
                    image.convert("RGB")

        def plain_table() -> None:
            for cell in pq.read_table(table)["image"].to_pylist():
                Image.open(io.BytesIO(cell["bytes"])).convert("RGB")

        for spec, plain, what in (
            (Folder(use="folder", path=str(folder)), plain_folder, "3,000 JPEGs of a folder"),
            (Parquet(use="parquet", files=str(table)), plain_table, "2,000 JPEGs of Parquet"),
        ):
            theirs = median(plain, 3)
            compare(what, median(lambda spec=spec: all_read(spec), 3), "open, convert", theirs)  # type: ignore[misc]
            known = median(lambda spec=spec: sum(each.num_rows for each in tables(spec)), 3)  # type: ignore[misc]
            compare(f"{what}, their words", known, "open, convert", theirs)
        ours = median(lambda: collect_into(folder, Path(root, "ours")), 1)
        theirs = median(lambda: save_each(files, Path(root, "theirs")), 1)
        compare("3,000 JPEGs collected as PNG", ours, "open, convert, save", theirs)


def photographs(folder: Path, count: int) -> list[Path]:
    """Write pictures of 256 px with some grain, as JPEG."""
    folder.mkdir()
    grain = Image.effect_noise((256, 256), 24).convert("RGB")
    for number in range(count):
        drawn = row("faces", number % 300).image().resize((256, 256), Image.Resampling.BICUBIC)
        Image.blend(drawn, grain, 0.2).save(folder / f"{number:05d}.jpg", quality=90)
    return sorted(folder.iterdir())


def all_read(spec: SourceSpec) -> int:
    pictures = plugins.implementation(spec)(spec)
    return sum(read(each, Reading())[0].width for each in pictures)


def collect_into(folder: Path, out: Path) -> None:
    out.mkdir()
    source = Folder(use="folder", path=str(folder))
    collect(DataSpec(source=source), StageContext(out, {}))
    shutil.rmtree(out)


def save_each(files: list[Path], out: Path) -> None:
    for file in files:
        with Image.open(file) as image:
            save_png(image.convert("RGB"), out / f"{file.stem}.png")
    shutil.rmtree(out)


def gating() -> None:
    """A gate on 1,000 pairs of images, four a prompt, against resampling every metric."""
    rng = np.random.default_rng(0)
    columns = ("clip-score", "tag-recall", "aesthetic")
    base = {column: rng.normal(size=250) for column in columns}
    other = {column: values + 0.3 * rng.normal(size=250) for column, values in base.items()}
    a, b = (contender(each, seeds=(1, 2, 3, 4), kid=each["aesthetic"]) for each in (other, base))
    ours = median(lambda: gate(a, b))

    def resampled() -> None:
        for column in (*columns, "aesthetic"):
            permutation_test(
                (other[column] - base[column],),
                np.mean,
                permutation_type="samples",
                n_resamples=10_000,
                vectorized=True,
                rng=0,
                axis=0,
            )

    compare(
        "gate of 4 metrics, 1,000 pairs",
        ours,
        "scipy, 10,000 sign-flips a metric",
        median(resampled, 3),
    )
    few = rng.normal(size=29)
    compare(
        "exact sign-flip, 29 prompts",
        median(lambda: sign_flip(few)),
        "scipy, 10,000 of 2^29",
        median(
            lambda: permutation_test(
                (few,), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True
            ),
            3,
        ),
    )


if __name__ == "__main__":
    reading()
    gating()
    exact_fid()
    jackknife_of_fid()
    sampling()
    keep("measure", FIGURES)

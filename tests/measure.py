"""How fast things are, each against a named alternative: `python tests/measure.py`.

Prints medians and ratios. It is a script and not a test: machines differ, and noise is no failure.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch_fidelity.metric_fid import fid_statistics_to_metric

from harness.benchmark import Sampler
from harness.diffusion.load import load_pipeline
from harness.diffusion.sampler import Artist, Request
from harness.metrics.fid import frechet
from harness.recipe import Base

RUNS = 5


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
    print(f"{what:<34} {ours:8.3f} s   {other:<34} {theirs:8.3f} s   {theirs / ours:7.1f}×")


def program(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)


def command_line() -> None:
    torch = median(program("-c", "import torch"))
    for words in (("--help",), ("list",)):
        ours = median(program("-m", "harness.cli", *words))
        compare(f"harness {words[0]}", ours, "python -c 'import torch'", torch)


def theirs(own: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """FID the way torch-fidelity has it, from means and covariances."""
    sides = [{"mu": rows.mean(0), "sigma": np.cov(rows, rowvar=False)} for rows in (own, reference)]
    return float(next(iter(fid_statistics_to_metric(sides[0], sides[1], False).values())))


def exact_fid() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(1221, 2048))
    for n in (96, 500):
        own = rng.normal(0.05, 1, size=(n, 2048))
        ours = median(lambda own=own: frechet(own, reference), 3)  # type: ignore[misc]
        other = median(lambda own=own: theirs(own, reference), 1)  # type: ignore[misc]
        compare(f"FID, {n} of 2048 features", ours, "torch-fidelity, same features", other)


def sampling() -> None:
    pipeline = load_pipeline(Base(model="pocket/sdxl"), None, "euler", None, "cpu", "fp32")
    sampler = Sampler(steps=20, guidance=4.0, width=64, height=64)
    artist = Artist(pipeline, sampler, "cpu")
    requests = [Request(f"p{number}", 1, "1girl, red hair, smile") for number in range(16)]
    together = median(lambda: artist.draw(requests), 3)
    alone = median(lambda: [artist.draw([request]) for request in requests], 1)
    compare("16 pocket images in one batch", together, "the same, one by one", alone)


if __name__ == "__main__":
    command_line()
    exact_fid()
    sampling()

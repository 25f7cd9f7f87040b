"""The kernel's sums tile by tile, and how much memory the distances take."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from harness.interfaces import Array
from harness.metrics import mmd
from harness.metrics.kid import kernel


def draw(n: int, d: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.fixture(params=[2048, 7])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmd, "TILE", request.param)


@pytest.mark.usefixtures("tile")
def test_sums_among_leave_each_row_itself_out() -> None:
    x = draw(30, 4, 1)
    whole = kernel(x, x)
    assert mmd.sums_among(x, kernel) == pytest.approx(whole.sum(1) - np.diag(whole))


@pytest.mark.usefixtures("tile")
def test_sums_across_are_those_of_the_whole_matrix() -> None:
    x, y = draw(30, 4, 1), draw(23, 4, 2)
    assert mmd.sums_across(x, y, kernel) == pytest.approx(kernel(x, y).sum(1))


@pytest.mark.parametrize("near", [128, 5, 1])
def test_sums_within_are_those_of_each_prompts_own_pairs(
    near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmd, "NEAR", near)
    x, cluster = draw(40, 3, 3), np.random.default_rng(4).permutation(np.arange(40) % 7 // 2)
    expected = []
    for number in range(cluster.max() + 1):
        own = kernel(x[cluster == number], x[cluster == number])
        expected.append(own.sum() - np.trace(own))
    assert mmd.sums_within(x, cluster, kernel) == pytest.approx(np.array(expected))


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from harness import plugins
from harness.interfaces import Evidence, FeatureSet
from pydantic import TypeAdapter

word, n = sys.argv[1], int(sys.argv[2])
options = {"features": {"use": "inception"}} if word == "cmmd" else {}
spec = TypeAdapter(plugins.union("metrics")).validate_python({"use": word, **options})

def drawn(seed, n):
    rows = np.random.default_rng(seed).normal(size=(n, 768))
    ids = [str(row // 4) for row in range(n)]
    return FeatureSet(rows, ids, ids, [row % 4 for row in range(n)])

measured = plugins.implementation(spec)(spec, Evidence(drawn(1, n), {"reference": drawn(2, 1221)}))
assert measured.low < measured.value < measured.high
peak = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 2**20)  # getrusage would begin at the parent's peak
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("word", "gigabytes"), [("kid", 1.0), ("cmmd", 1.0), ("fid", 1.5)])
def test_twenty_thousand_images_take_little_memory(word: str, gigabytes: float) -> None:
    """All pairs at once would take 3 GB; at 50,000 images, 20 GB. What is held grows with N."""
    command = [sys.executable, "-c", MEASURE, word, "20000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < gigabytes

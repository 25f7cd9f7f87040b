"""A style that the base cannot learn, trained too hard: what is drawn is named broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from inks import MOTIFS, write_inks
from once import Once
from running import Command

from harness.metrics.broken import FLAG
from harness.pipeline.results.file import ResultFile

SUITE = """\
schema_version: 1
name: ink
version: 1
summary: What the stranger draws.
prompts:
"""
BENCHMARK = """\
schema_version: 1
name: ink-v1
summary: The stranger's ink.
suites: [ink]
seeds: [1, 2, 3]
sampler: {scheduler: euler, steps: 6, guidance: 4.0, width: 64, height: 64}
reference: {source: {use: folder, path: held}, resolution: 64}
base: true
licences: false
metrics:
  - {use: kid, features: {use: classifier, model: pocket/inception}}
  - {use: broken, features: {use: lite0, side: 64}}
"""
RECIPE = """\
schema_version: 1
name: ink
summary: A stranger's ink, learned at a rate far too high.
base: {model: pocket/sdxl}
data: {source: {use: folder, path: ink}}
train:
  method: lora
  adapter: {rank: 8, alpha: 8.0}
  resolution: 64
  batch: 4
  optimizer: {use: adamw}
  phases: [{steps: 30, rate: 4.0e-2}]
  checkpoint_every: 15
"""
BLAND = """\
schema_version: 1
name: bland
summary: The same, hardly trained at all.
base: {model: pocket/sdxl}
data: {source: {use: folder, path: ink}}
train:
  method: lora
  adapter: {rank: 8, alpha: 8.0}
  resolution: 64
  batch: 4
  optimizer: {use: adamw}
  phases: [{steps: 4, rate: 1.0e-4}]
"""


def _pages(root: Path) -> None:
    write_inks(root / "ink", 0, 40)
    write_inks(root / "held", 1_000, 40)
    prompts = [f"  - {{id: i{at}, text: {words} in ink}}\n" for at, words in enumerate(MOTIFS)]
    pages = {
        "prompts/suites/ink.yaml": SUITE + "".join(prompts),
        "prompts/benchmarks/ink-v1.yaml": BENCHMARK,
        "recipes/ink.yaml": RECIPE,
        "recipes/bland.yaml": BLAND,
    }
    for name, text in pages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture(scope="module")
def stranger(once: Once, command: Command) -> Path:
    """Two trainings of the stranger's pictures, judged by the stranger's own page."""

    def make(root: Path) -> None:
        _pages(root)
        ran = command("run", "ink", "bland", "--benchmark", "ink-v1", cwd=root)
        assert ran.code == 0, ran.err

    return once("stranger-style", make)


@pytest.mark.slow
def test_what_a_diverged_adapter_draws_is_flagged_and_what_a_sound_one_draws_is_not(
    stranger: Path,
) -> None:
    """Real trainings: no made-up picture is broken as a diverged adapter's are."""
    found = {
        name: ResultFile(stranger / f"reports/ink-v1/{name}.json") for name in ("ink", "bland")
    }
    broken, sound = (
        next(each for each in file.result.scores if each.metric == "broken")
        for file in found.values()
    )
    assert broken.value is not None
    assert broken.value >= 0.5
    assert (broken.flag, sound.flag) == (FLAG, None)
    assert sound.value is not None
    assert sound.value < 0.1
    table = found["ink"].table("samples").to_pylist()
    marked = [row["value"] for row in table if row["metric"] == "broken"]
    assert (len(marked), sum(marked)) == (24, broken.value * 24)


@pytest.mark.slow
def test_smears_rank_behind_the_base_no_sweep_takes_them_and_a_gate_fails(
    stranger: Path, command: Command, tmp_path: Path
) -> None:
    board = command("leaderboard", "--benchmark", "ink-v1", cwd=stranger)
    lines = [line for line in board.out.splitlines() if line.strip()]
    smears, base = (
        next(at for at, line in enumerate(lines) if name in line) for name in ("ink ", "bare")
    )
    assert base < smears, board.out

    baseline = tmp_path / "baseline.json"
    for kind in ("", ".samples", ".prompts", ".likeness"):
        ending = ".parquet" if kind else ".json"
        made = stranger / f"reports/ink-v1/bland{kind}{ending}"
        shutil.copyfile(made, tmp_path / f"baseline{kind}{ending}")
    gate = command("gate", "ink", "--baseline", baseline, "--benchmark", "ink-v1", cwd=stranger)
    assert gate.code == 3, gate.out + gate.err
    assert FLAG in gate.out

    sweep = command("sweep", "ink", "--over", "checkpoint", "--benchmark", "ink-v1", cwd=stranger)
    assert sweep.code == 0, sweep.err
    assert "take none" in sweep.out

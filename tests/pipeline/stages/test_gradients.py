"""Gradients come in pieces that survive a kill; blame is arithmetic over them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from schooling import School, recipe, school

from harness.fingerprint import digest_file
from harness.interfaces import Progress, StageContext
from harness.pages.stages import BlameSpec, GradientsSpec
from harness.pipeline.results.blame import TABLE
from harness.pipeline.stages import blame, gradients
from harness.training.sets import mapped

RATES = (0.25, 0.75)


@dataclass(frozen=True)
class Taught:
    """A training, and the gradients of its pictures in pieces of four."""

    own: School
    trained: Path
    gradients: Path

    @property
    def spec(self) -> GradientsSpec:
        train = self.own.spec
        return GradientsSpec(
            base=train.base,
            pins=train.pins,
            train=train.train,
            checkpoints=(2, 3),
            timesteps=2,
            dimensions=64,
        )

    def context(self, folder: Path) -> StageContext:
        folder.mkdir(exist_ok=True)
        inputs = {role: self.own.inputs[f"{role}-0"] for role in ("latents", "texts")}
        return StageContext(folder, {**inputs, "train": self.trained}, batch=4)


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradients, "BLOCK", 8)
        patch.setattr(blame, "BLOCK", 8)
        yield


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    root = tmp_path_factory.mktemp("taught")
    own = school(recipe(checkpoint_every=2, adapter={"rank": 4, "dropout": 0.1}), root / "store")
    own.train(root / "trained")
    taught = Taught(own, root / "trained", root / "gradients")
    gradients.take(taught.spec, taught.context(taught.gradients))
    return taught


def test_a_kill_costs_one_piece_and_changes_no_byte(taught: Taught, tmp_path: Path) -> None:
    whole = {file.name: digest_file(file) for file in taught.gradients.glob("gradients-*")}
    assert len(whole) == 4
    context = taught.context(tmp_path / "again")
    for name in sorted(whole)[:3]:
        (context.folder / name).write_bytes((taught.gradients / name).read_bytes())
    notes = (taught.gradients / "scratch-finished.jsonl").read_text().splitlines(keepends=True)
    (context.folder / "scratch-finished.jsonl").write_text("".join(notes[:3]))
    seen: list[Progress] = []
    gradients.take(taught.spec, StageContext(context.folder, context.inputs, "cpu", seen.append))
    assert {file.name: digest_file(file) for file in context.folder.glob("gradients-*")} == whole
    assert seen[0].done > 20  # what was there counts as done
    assert seen[-1].done == seen[-1].total == 24


def test_directions_norms_and_losses_are_kept_of_every_picture(taught: Taught) -> None:
    stored = mapped(taught.gradients / gradients.file_of(3, 0))
    assert stored["units"].shape == (8, 2, 64)
    lengths = np.linalg.norm(stored["units"].astype(np.float64), axis=2)
    assert np.allclose(lengths, 1, atol=2e-3)
    assert (stored["norms"] > 0).all()
    assert (stored["losses"] > 0).all()


def test_the_end_is_another_checkpoint_than_the_first(taught: Taught) -> None:
    one, other = (mapped(taught.gradients / gradients.file_of(step, 0)) for step in (2, 3))
    assert not np.array_equal(one["losses"], other["losses"])


def test_blame_is_the_product_with_the_mean_direction_of_what_is_asked(
    taught: Taught, tmp_path: Path
) -> None:
    """Asked about the training pictures themselves, by brute force over the same files."""
    inputs = {"gradients-0": taught.gradients, "gradients-asked": taught.gradients}
    blame.blame(BlameSpec(rates=(RATES,), timesteps=2), StageContext(tmp_path, inputs))
    table = pq.read_table(tmp_path / TABLE).to_pylist()
    expected = np.zeros(12)
    for step, rate in zip((2, 3), RATES, strict=True):
        parts = [mapped(taught.gradients / gradients.file_of(step, first)) for first in (0, 8)]
        units = np.concatenate([part["units"].astype(np.float64) for part in parts])
        expected += rate * (units @ units.mean((0, 1))).mean(1)
    expected /= np.abs(expected).mean()
    found = {row["id"]: row["value"] for row in table}
    assert np.allclose([found[f"ninja-{at:06d}"] for at in range(12)], expected, atol=1e-5)
    assert [row["value"] for row in table] == sorted(found.values())
    assert all(row["low"] < row["value"] < row["high"] for row in table)
    assert {row["set"] for row in table} == {0}

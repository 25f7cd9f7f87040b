"""The probe stage: a row a checkpoint and picture, asked of the same pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from once import Once
from schooling import School, recipe, school

from harness.interfaces import Progress, StageContext
from harness.pages import benchmark as benchmarks
from harness.pages.stages import ProbeSpec
from harness.pipeline.plan import plan
from harness.pipeline.results.probe import ProbeTable, summary_of
from harness.pipeline.results.tables import read_table
from harness.pipeline.stages import STAGES, probe

HELD: dict[str, Any] = {"source": {"use": "pocket", "set": "ninja", "first": 50000, "count": 9}}
PAGE = recipe(
    validation={**HELD, "timesteps": 2},
    phases=[{"steps": 4, "rate": 5e-2}],
    checkpoint_every=2,
)


@pytest.fixture(scope="module")
def prepared(once: Once) -> School:
    def make(root: Path) -> None:
        there = school(PAGE, root)
        there.store.get_or_make(there.step, lambda folder: _train(there, folder))

    return school(PAGE, once("probe-stage", make))


def _train(there: School, folder: Path) -> None:
    there.train(folder)


def context(prepared: School, folder: Path, **changes: Any) -> tuple[ProbeSpec, StageContext]:
    whole = plan(PAGE, benchmarks.load("pocket-v1"))
    by_key = {step.key: step for step in whole.steps}
    step = whole.step("probe")
    assert isinstance(step.spec, ProbeSpec)
    inputs = {part: prepared.store.folder(by_key[key]) for part, key in step.reads.items()}
    folder.mkdir(parents=True, exist_ok=True)
    return step.spec, StageContext(folder, inputs, **changes)


@pytest.fixture(scope="module")
def table(prepared: School, once: Once) -> Path:
    def make(root: Path) -> None:
        STAGES["probe"].load()(*context(prepared, root))

    return once("probe-table", make) / "probe.parquet"


def test_every_checkpoint_is_asked_about_every_picture_at_every_timestep(table: Path) -> None:
    rows = read_table(table, "probe").to_pylist()
    assert [row["step"] for row in rows] == [0] * 21 + [2] * 21 + [4] * 21
    for step in (0, 2, 4):
        own = [row for row in rows if row["step"] == step]
        assert [row["side"] for row in own] == ["trained"] * 12 + ["held-out"] * 9
        assert len({row["id"] for row in own}) == 21
    assert all(row["timesteps"] == [250, 750] and len(row["losses"]) == 2 for row in rows)
    assert all("1girl" in row["tags"] or "1boy" in row["tags"] for row in rows)
    assert {row["id"] for row in rows if row["side"] == "held-out"} == {
        f"ninja-{number:06d}" for number in range(50000, 50009)
    }


def test_the_losses_of_a_checkpoint_are_those_of_its_own_weights(table: Path) -> None:
    found = ProbeTable(read_table(table, "probe").to_pylist())
    assert found.steps == [2, 4]
    base, first, last = (found.losses(step, "trained") for step in (0, 2, 4))
    assert (base != first).any()
    assert (first != last).any()
    said = summary_of(read_table(table, "probe"))
    assert (said.trained, said.held_out) == (12, 9)
    assert [each.step for each in said.steps] == [2, 4]
    assert all(each.member is not None and each.reason is None for each in said.steps)
    assert said.steps[0].tags == ()
    assert said.steps[-1].tags != ()


class Killed(Exception):
    """Stands for a kill."""


def test_a_probe_that_was_killed_goes_on_to_the_same_table(
    prepared: School, table: Path, tmp_path: Path
) -> None:
    done: list[int] = []

    def report(progress: Progress) -> None:
        done.append(progress.done)
        if progress.done >= 21:
            raise Killed

    with pytest.raises(Killed):
        STAGES["probe"].load()(*context(prepared, tmp_path, report=report))
    spec, place = context(prepared, tmp_path)
    later: list[int] = []
    STAGES["probe"].load()(spec, replace(place, report=lambda each: later.append(each.done)))
    assert min(later) > 16
    assert later[-1] == 63
    assert pq.read_table(tmp_path / "probe.parquet").equals(pq.read_table(table))


def test_a_row_of_several_sets_is_asked_about_once(prepared: School, tmp_path: Path) -> None:
    spec, place = context(prepared, tmp_path)
    inputs = place.inputs | {
        f"{role}-1": place.inputs[f"{role}-0"] for role in ("latents", "texts")
    }
    twice = probe.probed_pictures(replace(place, inputs=inputs), 2, spec.rows)
    once_each = probe.probed_pictures(place, 1, spec.rows)
    assert [each[1].id for each in twice] == [each[1].id for each in once_each]

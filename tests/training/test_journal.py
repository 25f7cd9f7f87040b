"""What a run says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from schooling import recipe, school

import harness
from harness.errors import MissingPrerequisite
from harness.interfaces import Progress
from harness.pages.train import Train
from harness.pipeline.stages import STAGES
from harness.training import journal
from harness.training.journal import Log, Tracker


def test_a_log_is_cut_back_to_where_the_state_is(tmp_path: Path):
    file = tmp_path / "log.jsonl"
    log = Log(file, 0)
    for step in range(1, 6):
        log.add({"step": step, "loss": step / 10})
    log.close()
    with file.open("a") as stream:
        stream.write('{"step": 6, "lo')  # a kill in the middle of a line
    again = Log(file, 3)
    assert again.losses == [0.1, 0.2, 0.3]
    again.add({"step": 4, "loss": 0.5})
    again.close()
    assert [json.loads(line)["step"] for line in file.read_text().splitlines()] == [1, 2, 3, 4]


@pytest.mark.slow
def test_every_step_reports_its_figures(tmp_path: Path):
    told: list[Progress] = []
    own = school(recipe(optimizer={"use": "prodigy"}, phases=[{"steps": 2, "rate": 1.0}]), tmp_path)
    own.train(tmp_path / "run", told.append)
    assert [progress.done for progress in told] == [1, 2]
    for progress in told:
        assert progress.facts is not None
        assert {
            "loss",
            "rate",
            "grad_norm",
            "d",
            "seconds",
            "images_per_second",
            "memory_mb",
        } <= set(progress.facts)


@pytest.mark.slow
def test_the_store_logs_what_steps_report_beside_the_artifacts(tmp_path: Path):
    workspace = harness.Workspace(
        tmp_path / "store", tmp_path / "reports", device="cpu", quiet=True
    )
    folder = harness.train(recipe(), workspace=workspace)
    (log,) = (tmp_path / "store/logs").glob("*.jsonl")
    assert log.stem == folder.name
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["seconds"] > 0 for line in lines)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["provenance"]["world_size"] == 1
    assert "seconds" not in (folder / "log.jsonl").read_text()


def test_a_tracker_gets_every_figure(tmp_path: Path):
    tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    own = school(recipe(tracker="tensorboard"), tmp_path / "store")
    context = own.workplace(tmp_path / "run")
    STAGES["train"].load()(own.spec, replace(context, logs=tmp_path / "logs"))
    folders = {file.parent for file in (tmp_path / "logs/tensorboard").rglob("*tfevents*")}
    found = [tensorboard.EventAccumulator(str(folder)).Reload() for folder in folders]
    (read,) = [each for each in found if "loss" in each.Tags()["scalars"]]
    losses = [event.value for event in read.Scalars("loss")]
    written = [
        json.loads(line)["loss"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()
    ]
    assert losses == pytest.approx(written, rel=1e-5)
    assert {"rate", "grad_norm", "images_per_second"} <= set(read.Tags()["scalars"])


def test_a_tracker_that_is_not_installed_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal, "find_spec", lambda word: None)
    train = recipe(tracker="wandb").train
    assert isinstance(train, Train)
    with pytest.raises(MissingPrerequisite, match="tracker wandb is not here"):
        Tracker(train, tmp_path, "run", "cpu")

"""Passes that are read ahead: the same numbers, in the same order, and no more than asked for."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from schooling import School, recipe, school

from harness.fingerprint import digest_file
from harness.training import training_run
from harness.training.objective import Inputs, Objective
from harness.training.passes import Sample, in_passes
from harness.training.reader import AHEAD, Reader, passes_ahead
from harness.training.team import Team

RICH = {
    "adapter": {"rank": 4, "dropout": 0.2},
    "noise_offset": 0.05,
    "huber": {"delta": 0.1},
    "snr_gamma": 5.0,
    "phases": [{"steps": 2, "rate": 1e-3}, {"steps": 2, "rate": 5e-4}],
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe({"caption": {"dropout": 0.2}}, **RICH), tmp_path_factory.mktemp("own"))


def begun(own: School) -> training_run.TrainingRun:
    sets, class_set = own.sets()
    context = own.workplace(own.store.root / "unused")
    return training_run.begin(own.spec, sets, class_set, own.models(), Team(), context)


class Recording:
    """An objective that notes which passes are read, and in which thread."""

    def __init__(self, objective: Objective, most: int) -> None:
        self._objective, self.most = objective, most
        self.read_in: list[tuple[tuple[int, ...], str]] = []

    def read(self, group: tuple[Sample, ...]) -> Inputs:
        numbers = tuple(sample.number for sample in group)
        self.read_in.append((numbers, threading.current_thread().name))
        return self._objective.read(group)


def reader_of(run: training_run.TrainingRun, most: int, ahead: int) -> tuple[Reader, Recording]:
    recording = Recording(run.objective, most)
    reader = Reader(run.spec.train, run.sample_order, recording, ahead)  # type: ignore[arg-type]
    return reader, recording


def read_all(reader: Reader, run: training_run.TrainingRun, most: int) -> list[Inputs]:
    inputs = []
    for step in range(run.spec.train.steps):
        groups = in_passes(reader.samples(step), most)
        for number, group in enumerate(groups, 1):
            inputs.append(reader.read(group))
            reader.read_ahead(groups[number:], step)
    reader.close()
    return inputs


def tensors(inputs: Inputs) -> list[torch.Tensor]:
    return [each for each in vars(inputs).values() if isinstance(each, torch.Tensor)]


@pytest.mark.parametrize("most", [1, 4])
def test_what_is_read_ahead_is_what_would_have_been_read(own: School, most: int):
    run = begun(own)
    (here, own_list), (ahead, notes) = reader_of(run, most, 0), reader_of(run, most, AHEAD)
    plain, early = read_all(here, run, most), read_all(ahead, run, most)
    assert len(plain) == len(early) == 4 * 4 // most
    for one, other in zip(plain, early, strict=True):
        assert all(map(torch.equal, tensors(one), tensors(other)))
    assert [numbers for numbers, _ in notes.read_in] == [each for each, _ in own_list.read_in]
    threads = [name.startswith("harness-reader") for _, name in notes.read_in]
    assert threads == [False] + [True] * (len(plain) - 1)


def test_a_run_that_reads_ahead_writes_the_same_bytes(
    own: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own.train(tmp_path / "here")
    monkeypatch.setattr(training_run, "passes_ahead", lambda models: AHEAD)
    own.train(tmp_path / "ahead")
    for file in ("adapter.safetensors", "log.jsonl"):
        assert digest_file(tmp_path / "here" / file) == digest_file(tmp_path / "ahead" / file)
    assert load_file(tmp_path / "ahead" / "adapter.safetensors")
    assert not [each for each in threading.enumerate() if each.name.startswith("harness-reader")]


def test_passes_of_another_size_are_read_anew(own: School):
    run = begun(own)
    reader, notes = reader_of(run, 4, AHEAD)
    (whole,) = in_passes(reader.samples(0), 4)
    reader.read_ahead([whole], 0)
    halves = in_passes(reader.samples(0), 2)
    for number, group in enumerate(halves, 1):
        reader.read(group)
        reader.read_ahead(halves[number:], 0)
    reader.close()
    read = [numbers for numbers, _ in notes.read_in]
    assert all(tuple(sample.number for sample in group) in read for group in halves)


def test_an_error_of_the_thread_is_raised_where_the_pass_is_needed(own: School):
    class Broken(Recording):
        def read(self, group):
            raise OSError("the disk is gone")

    run = begun(own)
    objective = Broken(run.objective, 4)
    reader = Reader(run.spec.train, run.sample_order, objective, AHEAD)  # type: ignore[arg-type]
    (group,) = in_passes(reader.samples(0), 4)
    reader.read_ahead([group], 0)
    with pytest.raises(OSError, match="the disk is gone"):
        reader.read(group)
    reader.close()


def test_a_cpu_and_trained_text_encoders_read_nothing_ahead(own: School):
    models = own.models()
    assert passes_ahead(models) == 0
    models.device = "cuda"
    assert passes_ahead(models) == AHEAD
    models.encoders = object()  # type: ignore[assignment]
    assert passes_ahead(models) == 0

"""Pieces leave the same files whichever process does them, in any order and any number of times."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from running import FIXTURES, House
from warm import Workers

from harness.errors import MissingPrerequisite, TrainingError
from harness.fingerprint import digest_file
from harness.interfaces import OnReply, PoolJob, Progress, StageContext
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import requested
from harness.pipeline.stages import STAGES, launch
from harness.pipeline.stages.job import PIECE_FUNCTIONS, raise_error
from harness.pipeline.stages.pieces import Piece, is_shared, share
from harness.pipeline.store.local import Store
from harness.records import Step


class Crowd:
    """A pool in this process; it does every piece twice, the last one first."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []

    def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
        module, _, name = job.opening.partition(":")
        opening = getattr(importlib.import_module(module), name)
        workers = [opening(job.document), opening(job.document)]
        for number, what in reversed(list(enumerate(pieces))):
            on_reply(None, {})
            replies = [worker(what) for worker in workers]
            self.done.append((job.title, what))
            on_reply(number, replies[0])


@pytest.fixture(scope="module")
def plan() -> RunPlan:
    before = Path.cwd()
    os.chdir(FIXTURES)
    try:
        return requested("tiny", "tiny-v1").plan()
    finally:
        os.chdir(before)


def workplace(house: House, plan: RunPlan, step: Step, folder: Path) -> StageContext:
    store = Store(house.store)
    by_key = {each.key: each for each in plan.steps}
    inputs = {part: store.folder(by_key[key]) for part, key in step.inputs.items()}
    return StageContext(folder, inputs, batch=16)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["latents", "texts", "sample", "features", "score"])
def test_pieces_in_any_order_and_done_twice_leave_the_same_files(
    stage: str, house: House, plan: RunPlan, tmp_path: Path
) -> None:
    step = next(each for each in plan.steps if each.stage == stage)
    crowd, reports = Crowd(), list[Progress]()
    place = workplace(house, plan, step, tmp_path)
    place = replace(place, pool=crowd, report=reports.append)
    STAGES[step.stage].load()(step.spec, place)
    made = Store(house.store).get(step).manifest["files"]
    found = {name: digest_file(tmp_path / name) for name in made}
    assert found == made
    assert {title for title, _ in crowd.done} == {stage}
    assert len(crowd.done) == {"sample": 3, "score": 4}.get(stage, 1)
    assert reports[-1].done == reports[-1].total


@pytest.mark.slow
def test_training_elsewhere_leaves_the_same_adapter_and_its_progress_comes_back(
    house: House, plan: RunPlan, tmp_path: Path
) -> None:
    step = plan.step("train")
    reports: list[Progress] = []
    place = workplace(house, plan, step, tmp_path)
    place = replace(place, pool=Crowd(), report=reports.append)
    STAGES["train"].load()(step.spec, place)
    made = Store(house.store).get(step).manifest["files"]
    assert {name: digest_file(tmp_path / name) for name in made} == made
    assert max(each.done for each in reports) == 40
    assert any(each.facts and "loss" in each.facts for each in reports)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sample", "score"])
def test_processes_that_share_drawing_or_looking_leave_the_same_files(
    stage: str, house: House, plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage == "score":  # launched for real when they draw
        monkeypatch.setattr(launch, "start", Workers)
    step = next(each for each in plan.steps if each.stage == stage)
    place = replace(workplace(house, plan, step, tmp_path), processes=2)
    STAGES[step.stage].load()(step.spec, place)
    made = Store(house.store).get(step).manifest["files"]
    assert {name: digest_file(tmp_path / name) for name in made} == made
    assert (tmp_path / "scratch-workers.txt").exists()


def test_every_stage_that_comes_in_pieces_can_be_opened() -> None:
    for stage, opening in PIECE_FUNCTIONS.items():
        module, _, name = opening.partition(":")
        assert stage in STAGES
        assert callable(getattr(importlib.import_module(module), name))


def test_one_piece_is_not_worth_a_second_process_but_is_work_for_a_pool() -> None:
    alone = StageContext(Path(), {})
    assert not is_shared(alone, 9)
    assert not is_shared(replace(alone, processes=2), 1)
    assert is_shared(replace(alone, processes=2), 2)
    assert is_shared(replace(alone, pool=Crowd()), 1)
    assert not is_shared(replace(alone, pool=Crowd()), 0)


def test_without_pieces_the_pool_is_not_asked() -> None:
    class Unasked:
        def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
            raise AssertionError("the pool was asked")

    step = requested("pocket-ninja", "pocket-v1").plan().step("sample")
    share("sample", step.spec, StageContext(Path(), {}, pool=Unasked()), [])


def test_progress_adds_up_over_pieces_and_what_was_there_before() -> None:
    class Scripted:
        def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
            on_reply(1, {"moved": 2})
            on_reply(0, {})
            on_reply(None, {})
            on_reply(1, {})

    step = requested("pocket-ninja", "pocket-v1").plan().step("sample")
    reports: list[Progress] = []
    place = StageContext(Path(), {}, pool=Scripted(), report=reports.append)
    finished: list[Any] = []
    pieces = [Piece("first", 3), Piece("second", 4)]
    share(
        "sample", step.spec, place, pieces, 5, "images", lambda piece: finished.append(piece.what)
    )
    assert [(each.done, each.total) for each in reports] == [(7, 12), (10, 12), (10, 12), (12, 12)]
    assert finished == ["first", "second"]


def test_an_error_elsewhere_is_the_same_error_here() -> None:
    with pytest.raises(MissingPrerequisite, match="no such model") as caught:
        raise_error({"error": "no such model", "hint": "fetch it", "kind": "MissingPrerequisite"})
    assert caught.value.hint == "fetch it"
    with pytest.raises(TrainingError):
        raise_error({"error": "odd", "hint": None, "kind": "ValueError"})
    raise_error({})


@pytest.mark.slow
def test_two_machines_that_launch_one_training_leave_what_two_processes_do(
    house: House, plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, port = plan.step("train"), free_port()
    places = {}
    for name in ("processes", "machines"):
        (tmp_path / name).mkdir()
        places[name] = replace(workplace(house, plan, step, tmp_path / name), processes=2)

    def machine(rank: int) -> str:
        return (
            f"--num_processes 2 --num_machines 2 --machine_rank {rank} "
            f"--main_process_ip 127.0.0.1 --main_process_port {port}"
        )

    with monkeypatch.context() as patch:
        patch.setattr(launch, "start", Workers)
        STAGES["train"].load()(step.spec, places["processes"])
    monkeypatch.setenv("HARNESS_LAUNCH", machine(0))
    other_machine = [
        *(sys.executable, "-m", "accelerate.commands.launch", *machine(1).split()),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--multi_gpu"),
        *("--module", "harness.pipeline.stages.worker"),
        str(tmp_path / "machines" / "scratch-job.json"),
    ]
    with subprocess.Popen(
        other_machine, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as other:
        try:
            STAGES["train"].load()(step.spec, places["machines"])
            assert other.wait(300) == 0
        finally:
            other.kill()
    one, two = (digest_file(tmp_path / name / "adapter.safetensors") for name in places)
    assert one == two

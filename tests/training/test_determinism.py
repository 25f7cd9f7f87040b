"""The deterministic mode: same bytes in every run, clear refusals, and nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from schooling import School, recipe, school
from torch.backends import cudnn
from torch.nn.attention import _cur_sdpa_kernel_backends
from torch.utils import deterministic

from harness.errors import TrainingError, UsageError
from harness.keys import described, make_step
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.step_runner import StepRunner
from harness.pipeline.watch.bars import watcher
from harness.training import loop
from harness.training.determinism import BEST_EFFORT, BITWISE, promise, repeatable
from harness.training.objective import Objective

VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
RICH = {
    "adapter": {"rank": 4, "dropout": 0.2},
    "phases": [{"steps": 4, "rate": 1e-3, "text_encoder_rates": [1e-3, 1e-3]}],
    "ema": {"decay": 0.9},
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe(deterministic=True, **RICH), tmp_path_factory.mktemp("strict"))


@pytest.fixture
def other_rounding() -> Iterator[None]:
    """Let fp32 round as a program that calls us may have asked for."""
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before[0])
    cudnn.allow_tf32 = before[1]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter.safetensors")


def differing(one: Path, other: Path) -> list[str]:
    """Return the names of the tensors that differ between two trained adapters."""
    left, right = weights(one), weights(other)
    assert left
    assert left.keys() == right.keys()
    return [name for name in left if not torch.equal(left[name], right[name])]


@pytest.mark.slow
def test_two_equal_runs_differ_in_no_tensor(strict: School, tmp_path: Path):
    notes = [strict.train(tmp_path / name).notes for name in ("one", "two")]
    assert differing(tmp_path / "one", tmp_path / "two") == []
    assert [each["determinism"] for each in notes] == ["bitwise", "bitwise"]


@pytest.mark.slow
def test_a_killed_and_resumed_run_differs_in_no_tensor(
    strict: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    strict.train(tmp_path / "whole")
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_STATES", 0.0)
    complete, calls = Objective.loss, []

    def loss(objective, content):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return complete(objective, content)

    monkeypatch.setattr(Objective, "loss", loss)
    with pytest.raises(KeyboardInterrupt):
        strict.train(tmp_path / "killed")
    monkeypatch.setattr(Objective, "loss", complete)
    strict.train(tmp_path / "killed")
    assert differing(tmp_path / "whole", tmp_path / "killed") == []


def test_the_mode_is_on_during_training_and_leaves_everything_as_it_was(
    strict: School, monkeypatch: pytest.MonkeyPatch, other_rounding: None
):
    monkeypatch.delenv(VARIABLE, raising=False)
    before = (cudnn.deterministic, cudnn.benchmark, set(_cur_sdpa_kernel_backends()))

    def train() -> None:
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
        assert "CUDNN_ATTENTION" not in {each.name for each in _cur_sdpa_kernel_backends()}
        assert os.environ[VARIABLE] == ":4096:8"
        assert (torch.get_float32_matmul_precision(), cudnn.allow_tf32) == ("highest", True)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), repeatable(strict.spec.train):
        train()
    assert not torch.are_deterministic_algorithms_enabled()
    assert deterministic.fill_uninitialized_memory
    assert before == (cudnn.deterministic, cudnn.benchmark, set(_cur_sdpa_kernel_backends()))
    assert VARIABLE not in os.environ
    assert (torch.get_float32_matmul_precision(), cudnn.allow_tf32) == ("high", False)


@pytest.mark.parametrize("value", [None, ":4096:2"])
def test_a_process_whose_cuda_started_without_the_variable_is_refused(
    value: str | None, strict: School, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with (
        pytest.raises(TrainingError, match=f"CUDA started before {VARIABLE} was set"),
        repeatable(strict.spec.train),
    ):
        raise AssertionError("training began")


@pytest.mark.parametrize("value", [":4096:8", ":16:8"])
def test_a_process_whose_cuda_started_with_the_variable_trains(
    value: str, strict: School, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setenv(VARIABLE, value)
    with repeatable(strict.spec.train):
        assert torch.are_deterministic_algorithms_enabled()


def test_a_run_sets_the_variable_only_while_cuda_has_not_started(
    strict: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = RunSettings(
        strict.store, tmp_path, lambda: "cpu", lambda steps, make: None, watcher(True)
    )
    for has_started, expected in ((True, None), (False, ":4096:8")):
        monkeypatch.setenv(VARIABLE, "")  # so that it is removed when the test is over
        monkeypatch.delenv(VARIABLE)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda has=has_started: has)
        StepRunner([strict.step], [strict.step], settings).run()
        assert os.environ.get(VARIABLE) == expected


def test_a_recipe_without_the_option_trains_in_the_default_mode(strict: School):
    train = strict.spec.train.model_copy(update={"deterministic": False})
    with repeatable(train):
        assert not torch.are_deterministic_algorithms_enabled()


def test_the_provenance_promises_the_same_bytes_only_where_that_holds(strict: School):
    default = strict.spec.train.model_copy(update={"deterministic": False})
    assert promise(default, "cpu") == promise(strict.spec.train, "cuda") == BITWISE
    assert promise(default, "cuda") == BEST_EFFORT == "best-effort: equal runs differ"


def test_an_operation_that_the_mode_refuses_is_named(
    strict: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def step(optimizer, closure=None):
        first = optimizer.param_groups[0]["params"][0].detach().view(-1)
        first.put_(torch.tensor([0, 0]), torch.ones(2))

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(TrainingError) as error:
        strict.train(tmp_path)
    assert error.value.what.startswith("put_ has no deterministic implementation")
    assert "turn train.deterministic off" in str(error.value)


def test_a_variable_that_came_too_late_is_told_with_the_remedy(strict: School):
    torchs_own = (
        "Deterministic behavior was enabled, but this operation is not deterministic because it "
        "uses CuBLAS: you must set CUBLAS_WORKSPACE_CONFIG=:4096:8"
    )
    with (
        pytest.raises(TrainingError, match="CUDA started before CUBLAS_WORKSPACE_CONFIG") as error,
        repeatable(strict.spec.train),
    ):
        raise RuntimeError(torchs_own)
    assert "CUBLAS_WORKSPACE_CONFIG=:4096:8" in str(error.value.hint)


def test_other_errors_pass_unchanged(strict: School):
    with pytest.raises(RuntimeError, match=r"^something else$"), repeatable(strict.spec.train):
        raise RuntimeError("something else")


def test_the_option_has_a_key_of_its_own_and_left_out_it_leaves_the_key_alone(strict: School):
    def key(**changes: object) -> str:
        train = strict.spec.train.model_copy(update=changes)
        return make_step("train", "train", 2, strict.spec.model_copy(update={"train": train})).key

    default = key(deterministic=False)
    assert "deterministic" not in described(recipe().train)
    assert len({default, key(deterministic=True), key(deterministic=False, compile=True)}) == 3


def test_compiled_blocks_and_the_deterministic_mode_contradict_each_other():
    with pytest.raises(ValueError, match="goes against deterministic"):
        recipe(deterministic=True, compile=True)
    with pytest.raises(UsageError, match=r"train\.compile"):
        recipe(compile=True).made_deterministic()
    assert recipe().made_deterministic().train.deterministic

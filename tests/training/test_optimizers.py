"""Every optimizer's word: its rule against brute force, and a stop that leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import Optimizer

from harness.errors import MissingPrerequisite
from harness.interfaces import OptimizerSpec
from harness.plugins import implementation
from harness.training import specs
from harness.training.checkpoint import read_state, write_state
from harness.training.optimizers import adamw_8bit, averaged, in_8_bits, weight_decay_for

SHAPES = {"down": (3, 5), "up": (5, 3), "bias": (5,), "conv": (4, 3, 2, 2)}
SPECS: dict[str, OptimizerSpec] = {
    "adamw": specs.AdamW(use="adamw"),
    "prodigy": specs.Prodigy(use="prodigy"),
    "adafactor": specs.Adafactor(use="adafactor", weight_decay=0.01),
    "schedule-free": specs.ScheduleFree(use="schedule-free"),
    "lion": specs.Lion(use="lion"),
    "came": specs.Came(use="came"),
}
Weights = dict[str, torch.nn.Parameter]


def weights(dtype: torch.dtype = torch.float32) -> Weights:
    """Return fresh parameters; `up` starts at zero, as a LoRA's second half does."""
    generator = torch.Generator().manual_seed(0)
    found = {
        name: torch.nn.Parameter(torch.randn(shape, generator=generator).to(dtype))
        for name, shape in SHAPES.items()
    }
    with torch.no_grad():
        found["up"].zero_()
    return found


def groups(found: Weights, rate: float) -> list[dict[str, Any]]:
    """Return two groups, the second with a decay of its own."""
    return [
        {"params": [found["down"], found["up"]], "lr": rate},
        {"params": [found["bias"], found["conv"]], "lr": rate, "weight_decay": 0.0},
    ]


def made(word: str, found: Weights) -> Optimizer:
    spec = SPECS[word]
    optimizer: Optimizer = implementation(spec)(spec, groups(found, rate_of(word)))
    return optimizer


def rate_of(word: str) -> float:
    return 1.0 if word == "prodigy" else 0.01


def train(found: Weights, optimizer: Optimizer, first: int, count: int, rate: float) -> None:
    """Take steps `first` and on, each with gradients and a rate of its own."""
    for step in range(first, first + count):
        generator = torch.Generator().manual_seed(step)
        for parameter in found.values():
            noise = 0.1 * torch.randn(parameter.shape, generator=generator)
            parameter.grad = (parameter.detach() + noise).to(parameter.dtype)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, step / 3)
        optimizer.step()


def bits(found: Weights) -> list[np.ndarray[Any, Any]]:
    return [each.detach().float().numpy() for each in found.values()]


def assert_same(one: Any, other: Any) -> None:
    """Assert that two states are equal to the last bit, types of numbers and tensors included."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("word", SPECS)
def test_a_stop_leaves_no_trace(word: str, dtype: torch.dtype, tmp_path: Path) -> None:
    file, rate = tmp_path / "state.safetensors", rate_of(word)
    whole = weights(dtype)
    straight = made(word, whole)
    train(whole, straight, 0, 60, rate)

    first = weights(dtype)
    stopped = made(word, first)
    train(first, stopped, 0, 30, rate)
    write_state(file, first, stopped, {"step": 30})

    second = weights(dtype)
    resumed = made(word, second)
    stored, facts = read_state(file, resumed)
    with torch.no_grad():
        for name, parameter in second.items():
            parameter.copy_(stored[name])
    assert facts == {"step": 30}
    assert_same(resumed.state_dict(), stopped.state_dict())
    train(second, resumed, 30, 30, rate)
    assert_same(resumed.state_dict(), straight.state_dict())
    for ours, theirs in zip(bits(second), bits(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def in_8_bits_resumed(dtype: torch.dtype, file: Path, steps: int) -> tuple[Optimizer, Weights]:
    """Return what `steps` steps of 8-bit AdamW give, stopped half way where there is a file."""
    spec = specs.AdamW8bit(use="adamw-8bit")
    generator = torch.Generator().manual_seed(0)
    shapes = {"down": (64, 128), "up": (128, 64), "bias": (16,), "conv": (32, 16, 3, 3)}
    found: Weights = {
        name: torch.nn.Parameter(torch.randn(shape, generator=generator).to(dtype))
        for name, shape in shapes.items()
    }
    optimizer = in_8_bits(spec, groups(found, 0.01))
    if file.exists():
        stored, facts = read_state(file, optimizer)
        with torch.no_grad():
            for name, parameter in found.items():
                parameter.copy_(stored[name])
        train(found, optimizer, facts["step"], steps - facts["step"], 0.01)
    else:
        train(found, optimizer, 0, steps, 0.01)
    return optimizer, found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_stop_leaves_no_trace_in_state_of_8_bits(dtype: torch.dtype, tmp_path: Path) -> None:
    """bitsandbytes steps on a CPU too; tensors of 4,096 numbers and more have 8-bit state."""
    pytest.importorskip("bitsandbytes", reason="pip install 'harness[cuda]'")
    file = tmp_path / "state.safetensors"
    straight, whole = in_8_bits_resumed(dtype, file, 20)
    stopped, first = in_8_bits_resumed(dtype, file, 10)
    write_state(file, first, stopped, {"step": 10})
    resumed, second = in_8_bits_resumed(dtype, file, 20)
    kinds = [straight.state[whole[name]]["state1"].dtype for name in ("down", "bias")]
    assert kinds == [torch.uint8, torch.float32]
    assert_same(resumed.state_dict(), straight.state_dict())
    for ours, theirs in zip(bits(second), bits(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("word", SPECS)
def test_it_moves_weights_downhill(word: str) -> None:
    found = weights()
    optimizer = made(word, found)
    before = sum(float(each.detach().square().sum()) for each in found.values())
    for _ in range(150):
        for parameter in found.values():
            parameter.grad = parameter.detach().clone()
        optimizer.step()
    with averaged(optimizer):
        after = sum(float(each.detach().square().sum()) for each in found.values())
    assert after < 0.7 * before


def test_every_word_but_the_one_for_cuda_is_tried_here() -> None:
    words = {
        name
        for name, each in vars(specs).items()
        if getattr(each, "implementation", None) and issubclass(each, OptimizerSpec)
    }
    assert words - {"OptimizerSpec", "_Decayed"} == {
        type(each).__name__ for each in SPECS.values()
    } | {"AdamW8bit"}


@pytest.mark.parametrize("word", SPECS)
def test_a_parameter_without_a_gradient_rests(word: str) -> None:
    found = weights()
    optimizer = made(word, found)
    for _ in range(3):
        found["down"].grad = torch.ones_like(found["down"])
        optimizer.step()
    assert not torch.equal(found["down"], weights()["down"])
    for name in ("up", "bias", "conv"):
        assert torch.equal(found[name], weights()[name])


def test_adamw_takes_its_step_in_one_kernel() -> None:
    optimizer = made("adamw", weights())
    assert all(group["fused"] for group in optimizer.param_groups)


def test_adamw_is_torch_adamw_with_the_defaults_of_the_scripts() -> None:
    ours, theirs = weights(), weights()
    plain = torch.optim.AdamW(
        groups(theirs, 0.01),
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.01,
        fused=False,
        foreach=False,
    )
    train(ours, made("adamw", ours), 0, 10, 0.01)
    train(theirs, plain, 0, 10, 0.01)
    for one, other in zip(bits(ours), bits(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_8_bit_state_says_what_it_needs() -> None:
    spec = specs.AdamW8bit(use="adamw-8bit")
    with pytest.raises(MissingPrerequisite, match="adamw-8bit needs"):
        adamw_8bit(spec, groups(weights(), 0.01))


def test_prodigy_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    made("prodigy", weights())
    assert capsys.readouterr().out == ""


def test_prodigy_finds_a_step_size_of_its_own() -> None:
    found = weights()
    optimizer = made("prodigy", found)
    train(found, optimizer, 0, 60, 1.0)
    sizes = {group["d"] for group in optimizer.param_groups}
    assert len(sizes) == 1, "one for all parts"
    assert sizes.pop() > 1e-6


Rule = Callable[[list[np.ndarray[Any, Any]], np.ndarray[Any, Any], float], np.ndarray[Any, Any]]


def by_hand(rule: Rule, decay: float, steps: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights after `steps` of `train` with the moves that `rule` says, in float64."""
    found = {name: value.detach().double().numpy() for name, value in weights().items()}
    history: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in found}
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        rate = 0.01 * min(1, step / 3)
        for name, value in found.items():
            noise = (0.1 * torch.randn(SHAPES[name], generator=generator)).double().numpy()
            history[name].append(value + noise)
            own = decay if name in ("down", "up") else 0.0
            found[name] = value * (1 - rate * own) - rate * rule(history[name], value, rate)
    return found


def mean(values: list[np.ndarray[Any, Any]], beta: float) -> np.ndarray[Any, Any]:
    """Return the running mean of all values, from zero, written out as one sum."""
    last = len(values) - 1
    return sum((1 - beta) * beta ** (last - i) * v for i, v in enumerate(values))  # type: ignore[return-value]


def lion_rule(
    gradients: list[np.ndarray[Any, Any]], _: np.ndarray[Any, Any], rate: float
) -> np.ndarray[Any, Any]:
    before = mean(gradients[:-1], 0.99) if gradients[:-1] else np.zeros_like(gradients[0])
    return np.sign(0.9 * before + 0.1 * gradients[-1])


def inverse_root(values: list[np.ndarray[Any, Any]], beta: float) -> np.ndarray[Any, Any]:
    """Return 1/√ of a mean: for matrices, of the outer product of its rows and columns."""
    if values[0].ndim < 2:
        return 1 / np.sqrt(mean(values, beta))
    rows = mean([each.mean(-1) for each in values], beta)
    columns = mean([each.mean(-2) for each in values], beta)
    product = rows[..., :, None] * columns[..., None, :] / rows.mean(-1)[..., None, None]
    return 1 / np.sqrt(product)


def came_rule(
    gradients: list[np.ndarray[Any, Any]], _: np.ndarray[Any, Any], rate: float
) -> np.ndarray[Any, Any]:
    updates: list[np.ndarray[Any, Any]] = []
    doubts: list[np.ndarray[Any, Any]] = []
    for last in range(1, len(gradients) + 1):
        squares = [each**2 + 1e-30 for each in gradients[:last]]
        update = gradients[last - 1] * inverse_root(squares, 0.999)
        updates.append(update / max(1.0, math.sqrt((update**2).mean())))
        doubts.append((updates[-1] - mean(updates, 0.9)) ** 2 + 1e-16)
    found = mean(updates, 0.9)
    return found if found.ndim < 2 else found * inverse_root(doubts, 0.9999)


@pytest.mark.parametrize(("word", "rule"), [("lion", lion_rule), ("came", came_rule)])
def test_a_rule_of_our_own_is_the_paper_written_out(word: str, rule: Rule) -> None:
    found = weights()
    train(found, made(word, found), 0, 8, 0.01)
    expected = by_hand(rule, 0.01, 8)
    for name, value in found.items():
        np.testing.assert_allclose(value.detach().numpy(), expected[name], rtol=2e-4, atol=2e-5)


def test_came_keeps_rows_and_columns_in_place_of_matrices() -> None:
    found = weights()
    optimizer = made("came", found)
    train(found, optimizer, 0, 1, 0.01)
    sizes = {name: tensor.shape for name, tensor in optimizer.state[found["down"]].items()}
    assert sizes == {
        "mean": (3, 5),
        "square_rows": (3,),
        "square_columns": (5,),
        "doubt_rows": (3,),
        "doubt_columns": (5,),
    }
    assert set(optimizer.state[found["bias"]]) == {"mean", "square"}


def test_what_schedule_free_keeps_is_its_mean_and_looking_at_it_changes_nothing() -> None:
    found = weights()
    optimizer = made("schedule-free", found)
    train(found, optimizer, 0, 5, 0.01)
    training = [value.copy() for value in bits(found)]
    with averaged(optimizer):
        kept = [value.copy() for value in bits(found)]
    for now, before in zip(bits(found), training, strict=True):
        np.testing.assert_array_equal(now, before)
    optimizer.eval()  # type: ignore[attr-defined]
    for ours, theirs in zip(kept, bits(found), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any((a != b).any() for a, b in zip(kept, training, strict=True))


def test_looking_at_what_is_kept_leaves_the_next_steps_alone() -> None:
    watched, alone = weights(), weights()
    first, second = made("schedule-free", watched), made("schedule-free", alone)
    for step in range(6):
        train(watched, first, step, 1, 0.01)
        train(alone, second, step, 1, 0.01)
        with averaged(first):
            pass
    assert_same(first.state_dict(), second.state_dict())
    for ours, theirs in zip(bits(watched), bits(alone), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_ordinary_optimizer_keeps_the_weights_that_it_trains() -> None:
    found = weights()
    with averaged(made("adamw", found)):
        assert torch.equal(found["down"], weights()["down"])


PARTS = ("unet", "text_encoder", "text_encoder_2", "tokens")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (specs.AdamW(use="adamw"), [0.01, 0.01, 0.01, 0]),
        (
            specs.Prodigy(use="prodigy", weight_decay=1e-4, text_encoder_weight_decay=1e-3),
            [1e-4, 1e-3, 1e-3, 0],
        ),
        (specs.AdamW(use="adamw", text_encoder_weight_decay=0.0), [0.01, 0, 0, 0]),
        (specs.Adafactor(use="adafactor"), [0, 0, 0, 0]),
        (OptimizerSpec(use="foreign"), [0, 0, 0, 0]),
    ],
)
def test_each_part_has_its_decay(spec: OptimizerSpec, expected: list[float]) -> None:
    assert [weight_decay_for(spec, part) for part in PARTS] == expected

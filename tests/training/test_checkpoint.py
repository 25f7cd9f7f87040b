"""A state that is read is the state that was written: every bit, every type."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from harness.errors import TrainingError
from harness.training.checkpoint import read_state, write_state

numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    numbers | st.floats(width=32).map(np.float32) | st.floats().map(np.float64),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | np.floating):
        return bool(one == other) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def nothing() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states") / "deep" / "state.safetensors"


@given(value=values)
@settings(deadline=None)
def test_facts_come_back_as_they_were(value: Any, file: Path) -> None:
    write_state(file, {}, nothing(), {"value": value})
    assert same(read_state(file, nothing())[1], {"value": value})


@given(value=values)
@settings(deadline=None)
def test_numbers_of_a_group_come_back_as_they_were(value: Any, file: Path) -> None:
    written, read = nothing(), nothing()
    written.param_groups[0]["found"] = value
    write_state(file, {}, written, {})
    read_state(file, read)
    assert same(read.param_groups[0]["found"], value)


def test_tensors_come_back_from_wherever_they_were(file: Path) -> None:
    written, read = nothing(), nothing()
    parameter = written.param_groups[0]["params"][0]
    written.param_groups[0]["lr"] = torch.tensor(0.25, dtype=torch.float64)
    written.state[parameter] = {"deep": [{"a/b": torch.arange(3)}], "half": torch.ones(2).half()}
    write_state(file, {"a/b.weight": torch.eye(2).t()}, written, {"mean": torch.tensor([1, 2])})
    weights, facts = read_state(file, read)
    assert torch.equal(weights["a/b.weight"], torch.eye(2))
    assert torch.equal(facts["mean"], torch.tensor([1, 2]))
    group = read.param_groups[0]
    assert group["lr"].dtype == torch.float64
    held = read.state[group["params"][0]]
    assert held["half"].dtype == torch.float16
    assert torch.equal(held["deep"][0]["a/b"].long(), torch.arange(3))


def test_a_state_in_full_precision_survives_a_parameter_in_half(file: Path) -> None:
    def half() -> torch.optim.Optimizer:
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(2).bfloat16())], lr=0.1)

    written, read = half(), half()
    exact = torch.tensor([1 / 3, 1e-30])
    written.state[written.param_groups[0]["params"][0]] = {"square": exact}
    write_state(file, {}, written, {})
    read_state(file, read)
    assert torch.equal(read.state[read.param_groups[0]["params"][0]]["square"], exact)


def test_tensors_may_share_memory(file: Path) -> None:
    table = torch.arange(6.0)
    write_state(file, {"whole": table, "same": table, "part": table[2:4]}, nothing(), {})
    weights, _ = read_state(file, nothing())
    assert torch.equal(weights["whole"], table)
    assert torch.equal(weights["same"], table)
    assert torch.equal(weights["part"], table[2:4])


def test_a_state_is_plain_json_and_no_pickle(file: Path) -> None:
    write_state(file, {}, nothing(), {"best": float("inf")})
    with safe_open(file, framework="pt") as stored:
        text = stored.metadata()["state"]
    assert "Infinity" not in text


def test_what_cannot_be_kept_is_named(file: Path) -> None:
    with pytest.raises(TypeError, match="a state cannot hold facts/work/1, a function"):
        write_state(file, {}, nothing(), {"work": [1, nothing]})


def test_a_state_is_replaced_whole_or_not_at_all(file: Path) -> None:
    write_state(file, {}, nothing(), {"step": 1})
    with pytest.raises(TypeError):
        write_state(file, {}, nothing(), {"step": nothing})
    assert read_state(file, nothing())[1] == {"step": 1}
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=40)
def test_a_state_with_one_bit_turned_over_is_refused_unless_it_says_the_same(
    where: float, bit: int, file: Path
) -> None:
    tensors = {"a": torch.arange(48.0).reshape(6, 8), "b": torch.ones(3, dtype=torch.bfloat16)}
    write_state(file, tensors, nothing(), {"step": 4, "none": torch.zeros(0)})
    before = read_state(file, nothing())
    content = bytearray(file.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    file.write_bytes(content)
    with suppress(TrainingError):
        # The bit may be in the word "checksum" itself, and then nothing is damaged.
        assert str(read_state(file, nothing())) == str(before)


def test_a_state_whose_weights_were_changed_is_refused(file: Path) -> None:
    write_state(file, {"a": torch.arange(512.0)}, nothing(), {"step": 4})
    content = bytearray(file.read_bytes())
    content[-200] ^= 1
    file.write_bytes(content)
    with pytest.raises(TrainingError, match="has changed since it was written"):
        read_state(file, nothing())

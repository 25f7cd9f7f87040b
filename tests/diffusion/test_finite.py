"""Weights that are not finite: refused by the name of their file and tensor, before any is used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.diffusion.adapter_reader import read_layers
from harness.diffusion.finite import in_precision, is_finite, refuse_not_finite
from harness.diffusion.tokens import PARTS, read_tokens
from harness.errors import TrainingError

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def lora(spoilt: float, role: str) -> dict[str, Tensor]:
    """Return one layer with one number in one of its tensors replaced."""
    tensors = {
        f"{LAYER}.lora_A.weight": torch.ones(2, 8),
        f"{LAYER}.lora_B.weight": torch.ones(8, 2),
    }
    tensors[f"{LAYER}.{role}.weight"][1, 1] = spoilt
    return tensors


@pytest.mark.parametrize("role", ["lora_A", "lora_B"])
@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_refused_by_file_and_tensor(
    spoilt: float, role: str, tmp_path: Path
) -> None:
    save_file(lora(spoilt, role), tmp_path / "lora.safetensors")
    with pytest.raises(TrainingError) as found:
        read_layers(tmp_path / "lora.safetensors")
    said = str(found.value)
    assert f"1 of the 2 tensors in {tmp_path / 'lora.safetensors'} are not finite" in said
    assert f"{LAYER}.{role}.weight" in said
    assert found.value.exit_code == 1


def test_an_alpha_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    tensors = lora(1.0, "lora_A") | {f"{LAYER}.alpha": torch.tensor(float("nan"))}
    save_file(tensors, tmp_path / "lora.safetensors")
    with pytest.raises(TrainingError, match=r"1 of the 3 tensors .*\.alpha"):
        read_layers(tmp_path / "lora.safetensors")


def test_a_finite_file_is_read(tmp_path: Path) -> None:
    save_file(lora(1e30, "lora_A"), tmp_path / "lora.safetensors")
    assert list(read_layers(tmp_path / "lora.safetensors")) == ["unet"]


def test_new_words_that_are_not_finite_are_refused_too(tmp_path: Path) -> None:
    rows = {part: torch.full((1, 4), float("nan")) for part in PARTS}
    save_file(rows, tmp_path / "embeddings.safetensors", {"tokens": "[]"})
    with pytest.raises(TrainingError, match=r"2 of the 2 tensors .* clip_l, clip_g"):
        read_tokens(tmp_path / "embeddings.safetensors")


def test_of_many_tensors_the_first_three_are_named() -> None:
    bad = {f"t{number}": torch.tensor([float("nan")]) for number in range(9)}
    with pytest.raises(TrainingError, match="t0, t1, t2 and 6 more"):
        refuse_not_finite(Path("lora.safetensors"), bad)


def test_numbers_that_a_precision_cannot_hold_are_refused() -> None:
    assert in_precision(torch.tensor([1e4]), torch.float16, "to_q of a").dtype == torch.float16
    with pytest.raises(
        TrainingError, match="to_q of a holds numbers that are too large for float16"
    ):
        in_precision(torch.tensor([1e6]), torch.float16, "to_q of a")


def test_whole_numbers_and_eight_bits_are_looked_at_as_they_are() -> None:
    assert is_finite(torch.tensor([3]))
    eight = torch.tensor([1.0, float("nan")]).to(torch.float8_e4m3fn)
    assert is_finite(eight[:1])
    assert not is_finite(eight)

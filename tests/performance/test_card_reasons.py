"""Why a figure of a card is what it is: kernels by kind, waits by place, and what was missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from card.figures import Context, Deadline, Figure
from card.plain import RATIOS
from card.profile import _kind, profiled
from card.report import CardFile, summary
from card.sdxl import write_base
from card.trial import advance, begun, lora, missed
from card.waits import counted, waits


def context(folder: Path, *, is_dry: bool) -> Context:
    return Context("cpu", is_dry, folder, folder, Deadline(60))


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64>>", "attention"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32", "convolution"),
        ("nvjet_tst_128x256_64x4_1x2_h_bz_coopA_NTN", "matrix product"),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n", "matrix product"),
        ("void at::native::(anonymous namespace)::RowwiseMomentsCUDAKernel_norm", "norm"),
        ("void at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor>", "optimizer"),
        ("Memcpy HtoD (Pinned -> Device)", "copy and layout"),
        ("void at::native::vectorized_elementwise_kernel<4, GeluCUDAKernel>", "other"),
    ],
)
def test_a_kernel_is_told_by_its_name(kernel: str, kind: str) -> None:
    assert _kind(kernel) == kind


def test_a_profile_says_where_the_time_of_a_step_goes(tmp_path: Path) -> None:
    a = torch.randn(200, 200)
    (figure,) = profiled(
        context(tmp_path, is_dry=True), "training", "busy", lambda: (a @ a).softmax(1)
    )
    assert figure.value is not None, figure.facts
    assert figure.value > 0
    assert {"aten::mm", "aten::_softmax"} <= set(figure.facts["longest"])
    assert figure.facts["note"].count("%") >= 2


def test_a_step_reads_no_number_of_the_device_but_its_loss_and_norm(tmp_path: Path) -> None:
    base = write_base(tmp_path / "sdxl", is_tiny=True)
    card = Context("cpu", True, tmp_path, base, Deadline(60))
    run = begun(card, lora(card, batch=2, accumulation=2))
    advance(run)
    assert not waits(lambda: advance(run))


def test_a_wait_is_told_with_its_place(tmp_path: Path) -> None:
    value = torch.ones(2)
    (figure,) = counted(
        context(tmp_path, is_dry=True), "training", "waits", lambda: float(value.sum())
    )
    assert figure.value == 1
    assert "performance/test_card_reasons.py" in figure.facts["note"]


def test_what_misses_its_target_is_named() -> None:
    card = context(Path(), is_dry=False)
    open_, checked = lora(card, batch=4), lora(card, batch=4, gradient_checkpointing=True)
    poor: dict[str, Any] = {"share_of_ceiling": 0.3, "peak_over_forecast": 1.2}
    assert missed(card, open_, poor) == [
        "40% of the ceiling",
        "memory within 10% of its forecast",
    ]
    assert missed(card, checked, {"share_of_ceiling": 0.3}) == []
    assert missed(card, open_, {"share_of_ceiling": 0.41, "peak_over_forecast": 0.95}) == []
    assert missed(context(Path(), is_dry=True), open_, poor) == []
    assert RATIOS == {"4x2": 1.5, "1x8": 3.0}


def test_a_table_tells_what_was_missed(tmp_path: Path) -> None:
    file = CardFile(tmp_path, {"card": "a card"}, ["plain"])
    file.add(Figure("plain", "ratio-1x8", 2.0, "×", {"missed": ["3.0 times the plain loop"]}))
    assert summary(file.added).endswith("missed: 3.0 times the plain loop")

"""What `inspect` says of a file's fate is what was measured, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import adapter_makers as makers
import numpy as np
import pytest
from fate_of_files.reading import (
    FATES,
    balanced,
    broken_by_size,
    fate_of,
    fitted,
    read_rows,
    table_of,
    told,
)
from running import ROOT

import harness
from harness.diffusion.adapter_files.fate import BROKEN_ABOVE, FACTS, TOLD

ROWS = ROOT / "performance" / "fate_of_files" / "adapters.csv"
NAME = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"


def test_the_figures_that_inspect_gives_are_those_of_the_rows() -> None:
    table = table_of(read_rows(ROWS))
    assert len(table.fates) >= 200
    assert len(set(table.styles)) == 12
    most, answers = broken_by_size(table)
    is_broken = table.fates == FATES.index("broken")
    assert most == pytest.approx(BROKEN_ABOVE, rel=1e-3)
    assert TOLD["broken"] == ((answers & is_broken).sum(), is_broken.sum())
    assert TOLD["others"] == ((~answers & ~is_broken).sum(), (~is_broken).sum())


def test_the_page_has_the_counts_of_the_rows() -> None:
    text = (ROOT / "docs" / "explanation" / "fate.md").read_text()
    fates = table_of(read_rows(ROWS)).fates
    assert f"{len(fates)} adapters" in text
    for number, fate in enumerate(FATES):
        line = next(each for each in text.splitlines() if each.startswith(f"| {fate} |"))
        assert line.endswith(f"| {(fates == number).sum()} |")
    (found, broken), (spared, others) = TOLD["broken"], TOLD["others"]
    assert (
        f"finds {found} of {broken} broken adapters and spares {spared} of {others} others" in text
    )


def row(gain: float, member: float) -> dict[str, Any]:
    return {"gain": gain, "member_gain": member, "gain_error": 0.05, "member_error": 0.05}


def test_a_fate_is_told_by_losses() -> None:
    assert fate_of(row(0.3, -0.1), 0.5) == "broken"
    assert fate_of(row(0.3, 0.5), 0.5) == "overtrained"
    assert fate_of(row(0.3, 0.35), 0.5) == "underfitted"
    assert fate_of(row(0.4, 0.45), 0.5) == "good"


def test_the_regression_parts_what_can_be_parted() -> None:
    rng = np.random.default_rng(0)
    fates = rng.integers(4, size=400)
    facts = np.eye(4)[fates] * 3 + rng.standard_normal((400, 4))
    model = fitted(facts[:200], fates[:200])
    assert balanced(fates[200:], told(model, facts[200:])) > 0.8
    blind = fitted(rng.standard_normal((200, 4)), fates[:200])
    assert balanced(fates[200:], told(blind, facts[200:])) < 0.45


@pytest.mark.parametrize(("size", "is_broken"), [(0.003, False), (0.3, True)])
def test_a_pocket_lora_is_judged_with_the_figure_of_its_validation(
    size: float, is_broken: bool, tmp_path: Path
) -> None:
    up, down = np.full((160, 1), size, np.float32), np.ones((1, 128), np.float32)
    tensors = {f"unet.{NAME}.lora_B.weight": up, f"unet.{NAME}.lora_A.weight": down}
    found = harness.inspect(makers.save(tensors, tmp_path / "x.safetensors"))
    judgement = found.files[0]["judgement"]
    assert judgement["broken"] is is_broken
    assert judgement["size"] == pytest.approx(size, rel=1e-4)
    assert f"{TOLD['broken'][0]} of {TOLD['broken'][1]} broken" in judgement["sentence"]
    assert "left out this was right" in " ".join(str(found).replace("│", "").split())


def test_no_other_file_is_judged(tmp_path: Path) -> None:
    for tensors in (makers.kohya(), makers.lycoris("lokr")):
        file = makers.save(tensors, tmp_path / "x.safetensors")
        assert harness.inspect(file).files[0]["judgement"] is None
    assert len(FACTS) == 10

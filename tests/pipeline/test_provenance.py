"""What a result says of its making is read from sound artifacts alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.files import write_text
from harness.keys import make_step
from harness.pages.train import Adapter
from harness.pipeline.plan import RunPlan
from harness.pipeline.provenance import loss_curve
from harness.pipeline.store.local import Store

STEP = make_step("train", "train", 1, Adapter(rank=4))


def test_a_damaged_log_gives_no_loss_curve_and_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    made = store.get_or_make(STEP, lambda folder: write_text(folder / "log.jsonl", '{"loss": 2}\n'))
    plan = cast("RunPlan", SimpleNamespace(steps=(STEP,)))
    assert loss_curve(plan, store) == [(1, 2.0)]
    (made.path / "log.jsonl").write_text('{"loss": 1}\n')
    assert loss_curve(plan, store) == []
    assert "goes without its loss curve" in caplog.text

"""Rows that a page leaves out by id: alike for both engines, in the key, and never by mistake."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from schooling import recipe

from harness.data.curation.by_row import select
from harness.data.curation.curated_set import write
from harness.data.curation.engine import Limits
from harness.data.specs import Pocket
from harness.errors import UsageError
from harness.pages.data import Booster, Data
from harness.pages.stages import DataSpec
from harness.pages.train import Phase
from harness.pipeline.training_steps import training_steps

NINJAS = Pocket(use="pocket", set="ninja", count=6)
FACES = Pocket(use="pocket", set="faces", count=40)


def kept_by_rows(*without: str, **data: Any) -> tuple[list[str], Counter[str]]:
    dropped: Counter[str] = Counter()
    spec = DataSpec(source=NINJAS, without=without, **data)
    return [picture.id for picture in select(spec, dropped)], dropped


def kept_by_columns(folder: Path, *without: str, **data: Any) -> tuple[list[str], Counter[str]]:
    pq = pytest.importorskip("pyarrow.parquet")
    page = Data(source=NINJAS, without=without, **data)
    written = write(page, 64, None, folder, Limits())
    return pq.read_table(folder / "curated.parquet")["id"].to_pylist(), written.dropped


def test_both_engines_leave_out_the_same_rows(tmp_path: Path) -> None:
    names, dropped = kept_by_rows("ninja-000001", "ninja-000004")
    assert names == ["ninja-000000", "ninja-000002", "ninja-000003", "ninja-000005"]
    assert dropped == {"without": 2}
    assert kept_by_columns(tmp_path, "ninja-000001", "ninja-000004") == (names, dropped)


def test_an_id_that_no_row_has_is_refused_with_the_closest(tmp_path: Path) -> None:
    words = r"data.without: no row has the id 'ninja-00001' .*did you mean 'ninja-000001'"
    with pytest.raises(UsageError, match=words):
        kept_by_rows("ninja-00001", "ninja-000002")
    with pytest.raises(UsageError, match=words):
        kept_by_columns(tmp_path, "ninja-00001", "ninja-000002")


def test_rows_of_a_booster_are_left_out_too(tmp_path: Path) -> None:
    boosters = (Booster(source=FACES, weight=0.5),)
    names, _ = kept_by_rows(boosters=boosters)
    gone = names[-1]
    assert gone.startswith("faces")
    others, _ = kept_by_rows(gone, boosters=boosters)
    assert gone not in others
    assert kept_by_columns(tmp_path, gone, boosters=boosters)[0] == others


def test_what_is_left_out_moves_the_keys_and_its_order_does_not() -> None:
    plain, one, two, turned = (
        training_steps(recipe(data={"without": list(without)}))[-1].key
        for without in ((), ("a",), ("a", "b"), ("b", "a", "b"))
    )
    assert len({plain, one, two}) == 3
    assert two == turned


def test_a_phase_with_its_own_pictures_leaves_none_out() -> None:
    data = Data(source=NINJAS, without=("ninja-000001",))
    phase = Phase(steps=1, rate=1e-3)
    assert phase.of(data).without == data.without
    assert phase.model_copy(update={"source": FACES}).of(data).without == ()

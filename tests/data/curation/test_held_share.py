"""A share of the rows that is held out of training: alike in both engines, by ids alone."""

from __future__ import annotations

from pathlib import Path

from columns_of import by_columns, by_rows, write

from harness.data.curation.rules import CurationSettings
from harness.pages.validation import HeldShare, Side


def test_both_engines_cut_a_set_into_the_same_two_sides(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.parquet", [{"id": f"row-{at}"} for at in range(300)])
    sides: dict[Side, list[str]] = {}
    for side in ("trained", "held-out"):
        rules = CurationSettings(validation=HeldShare(share=0.2, side=side))
        assert by_columns([file], rules) == by_rows([file], rules)
        sides[side] = [row[0] for row in by_rows([file], rules)[0]]
    assert sorted(sides["trained"] + sides["held-out"]) == sorted(f"row-{at}" for at in range(300))
    assert 40 <= len(sides["held-out"]) <= 80

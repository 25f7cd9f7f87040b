"""What stands beside a result is whole and ours, or is refused by name; names lead nowhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import Workspace, accept
from harness.decisions import history
from harness.errors import PageError, UsageError
from harness.files import below
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result
from harness.pipeline.results.tables import TABLES, Kind, pseudo_values_of
from harness.views import votes

PUBLISHED = Path(__file__).parents[3] / "reports"


@pytest.fixture
def result(tmp_path: Path) -> Path:
    shutil.copytree(PUBLISHED, tmp_path / "reports")
    return tmp_path / "reports/pocket-v1/pocket-ninja.json"


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all"])
def test_a_table_that_is_cut_off_is_refused(result: Path, kind: Kind, content: bytes) -> None:
    file = result.with_suffix(f".{kind}.parquet")
    file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"{kind}\.parquet: cannot be read"):
        ResultFile(result).table(kind)
    pq.write_table(pa.table({"other": [1]}), file)
    with pytest.raises(UsageError, match=rf"{kind}\.parquet: has no column"):
        ResultFile(result).table(kind)
    file.unlink()
    with pytest.raises(UsageError, match=rf"{kind}\.parquet is missing beside"):
        ResultFile(result).table(kind)


@pytest.mark.parametrize("name", ["../../evil", "..", "", "a/b", "a\\b", "a\0b", "/etc/passwd"])
def test_no_name_leads_out_of_a_folder(result: Path, name: str) -> None:
    reports = result.parents[1]
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        below(reports, name)
    for place in (votes.place_of, lambda folder, each: history.place_of(folder, each, "x")):
        if name.strip("."):  # what is added to it makes a name of dots a plain one
            with pytest.raises(UsageError):
                place(reports, name)


def test_a_hostile_result_is_accepted_nowhere(result: Path, tmp_path: Path) -> None:
    document = json.loads(result.read_text())
    result.write_text(json.dumps({**document, "recipe": "../../../escaped/evil"}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        accept(result, workspace=Workspace(tmp_path / "store", result.parents[1]))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("change", [{"scores": []}, {"value": float("nan")}, {"low": float("inf")}])
def test_a_result_without_numbers_is_none(result: Path, change: dict[str, object]) -> None:
    document = json.loads(result.read_text())
    if "scores" not in change:
        change = {"scores": [{**document["scores"][0], **change}]}
    result.write_text(json.dumps({**document, **change}))
    with pytest.raises(PageError, match="is not a result file"):
        read_result(result)


@pytest.mark.parametrize("offset", [0, 3, 8, 11])
def test_an_empty_cell_of_the_base_is_no_pseudo_value_wherever_the_column_begins(
    offset: int,
) -> None:
    base = [None if row % 3 == 0 else float(row) for row in range(40)]
    columns = {
        "prompt_id": [f"p{row}" for row in range(40)],
        "metric": ["kid"] * 40,
        "value": [row / 7 for row in range(40)],
        "base": base,
    }
    told = pseudo_values_of(pa.table(columns, schema=TABLES["prompts"]).slice(offset))
    assert dict(told.own["kid"]) == {f"p{row}": row / 7 for row in range(offset, 40)}
    assert dict(told.base["kid"]) == {f"p{row}": float(row) for row in range(offset, 40) if row % 3}

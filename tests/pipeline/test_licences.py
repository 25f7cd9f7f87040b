"""A run of a benchmark with a reference licenses its metrics, once for all recipes of a base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import FIXTURES, Command

from harness.metrics.sanity_card import MIXTURES, SUMMARIES
from harness.pipeline.results.file import ResultFile

PAGE = "prompts/benchmarks/tiny-v1.yaml"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pages, with a benchmark that wants licences and draws the base."""
    root = tmp_path_factory.mktemp("licensed")
    for folder in ("prompts", "recipes"):
        shutil.copytree(FIXTURES / folder, root / folder)
    text = (root / PAGE).read_text(encoding="utf-8")
    assert "licences: false\n" in text
    (root / PAGE).write_text(text.replace("licences: false\n", "base: true\n"), encoding="utf-8")
    return root


@pytest.mark.slow
def test_every_score_says_whether_its_metric_may_judge(pages: Path, command: Command) -> None:
    ran = command("run", "pocket-base", "--benchmark", "tiny-v1", "--json", cwd=pages)
    assert ran.code == 0, ran.err
    (run,) = ran.json["results"]
    file = ResultFile(pages / run["path"])
    scores = {each.metric: each for each in file.result.scores}
    assert scores["clip-score"].licence == "licensed"
    assert all(each.licence is not None for each in scores.values()), "some have too few pictures"
    assert scores["kid"].floor is not None
    card = file.card()
    assert card is not None
    assert set(card.damages) == set(SUMMARIES) - {"real", "copies"}
    assert set(MIXTURES) <= set(card.damages)

    board = command("leaderboard", "--benchmark", "tiny-v1", "--json", cwd=pages).json
    assert board["licences"] == {name: each.licence for name, each in scores.items()}
    shown = command("report", run["path"], cwd=pages).out
    barred = [each for each in scores.values() if each.licence != "licensed"]
    assert shown.count("may not judge here") == len(barred)

    assert command("verify", run["path"], cwd=pages).code == 0
    written = (pages / run["path"]).read_text(encoding="utf-8")
    forged = written.replace('"licensed"', '"blind to smears"', 1)
    (pages / run["path"]).write_text(forged, encoding="utf-8")
    verified = command("verify", run["path"], cwd=pages)
    assert (verified.code, "differs from the scores" in verified.err) == (1, True)
    (pages / run["path"]).write_text(written, encoding="utf-8")
    file.table_path("sanity").unlink()
    verified = command("verify", run["path"], cwd=pages)
    assert (verified.code, "sanity.parquet is missing" in verified.err) == (1, True)

    again = command("run", "pocket-base", "--benchmark", "tiny-v1", "--json", cwd=pages).json
    assert again["results"][0]["made"] == []
    before = json.loads((pages / run["path"]).read_text(encoding="utf-8"))
    page = (pages / PAGE).read_text(encoding="utf-8")
    (pages / PAGE).write_text(page + "licences: false\n", encoding="utf-8")
    without = command("run", "pocket-base", "--benchmark", "tiny-v1", "--json", cwd=pages)
    after = ResultFile(pages / without.json["results"][0]["path"])
    assert {each.licence for each in after.result.scores} == {None}
    assert after.card() is None, "the card of the other result does not stay beside this one"
    assert after.result.keys["score"] == before["keys"]["score"]

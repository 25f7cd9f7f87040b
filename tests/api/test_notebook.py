"""What the functions return shows itself in a notebook, and goes to pandas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.api.boards import Leaderboard
from harness.api.decide import hold
from harness.api.planning import Plan
from harness.api.results import Run, Sweep
from harness.api.verdicts import Comparisons, GateDecision
from harness.decisions.stopping import advise
from harness.decisions.sweep import Point
from harness.pipeline.results.file import ResultFile

REPORTS = Path(__file__).parents[2] / "reports"
Shown = Run | Leaderboard | Plan | Sweep | Comparisons | GateDecision


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> harness.Workspace:
    """The shipped results, and a store with nothing in it."""
    return harness.Workspace(tmp_path_factory.mktemp("empty"), REPORTS, quiet=True)


@pytest.fixture(scope="module")
def shown(workspace: harness.Workspace) -> dict[str, Shown]:
    files = sorted(
        (REPORTS / "pocket-v1" / "sweeps").rglob("strength-*.json"),
        key=lambda file: float(file.stem.removeprefix("strength-")),
    )
    assert len(files) >= 2
    points = [
        Point.of(
            float(file.stem.removeprefix("strength-")),
            ResultFile(file).result,
            ResultFile(file).pseudo_values(),
        )
        for file in files
    ]
    broken = REPORTS / "pocket-v1" / "pocket-ninja-broken.json"
    baseline = REPORTS / "baselines" / "pocket-v1" / "pocket-ninja.json"
    return {
        "board": harness.leaderboard("pocket-v1", workspace=workspace),
        "comparison": harness.compare(
            "pocket-ninja", "pocket-ninja-broken", draws=0, workspace=workspace
        ),
        "gate": hold(broken, baseline, workspace),
        "result": harness.load_result("pocket-ninja", workspace=workspace),
        "plan": harness.plan("pocket-ninja", workspace=workspace),
        "sweep": Sweep("pocket-ninja", "strength", tuple(points), advise(points)),
    }


SAYS = {
    "board": ("pocket-ninja-overfit", "ranked by kid", 'class="mark"'),
    "comparison": ("pocket-ninja is better than", 'class="bar"', "data:image/webp"),
    "gate": ("fails 5 of", 'class="bar"', "data:image/webp"),
    "result": ("pocket-ninja × pocket-v1", "kid ↓", "data:image/webp"),
    "plan": ("latents", "to do", "optimizer steps"),
    "sweep": ("Take 1.", "<polyline", "clip-score"),
}


@pytest.mark.parametrize("name", SAYS)
def test_a_notebook_shows_it(name: str, shown: dict[str, Shown]) -> None:
    html = shown[name]._repr_html_()
    for words in SAYS[name]:
        assert words in html, words
    assert "http" not in html, "a notebook fetches nothing for it"
    assert "<script" not in html
    style = html[html.index("<style>") : html.index("</style>")]
    outside = [line for line in style.splitlines() if re.match(r"\S.*\{", line)]
    assert outside[0].startswith(".harness-box")
    assert style.count("{") == style.count("}")


@pytest.mark.parametrize("name", SAYS)
def test_a_terminal_shows_it_in_one_line_or_as_a_table(name: str, shown: dict[str, Shown]) -> None:
    assert len(repr(shown[name])) < 1000
    assert "\n" in str(shown[name])


@pytest.mark.parametrize("name", [name for name in SAYS if name != "plan"])
def test_pandas_gets_a_line_a_metric(name: str, shown: dict[str, Shown]) -> None:
    value = shown[name]
    assert not isinstance(value, Plan)
    frame = value.to_pandas()
    assert "metric" in frame.columns
    assert len(frame) >= 8


def test_single_images_go_to_pandas_too(shown: dict[str, Shown]) -> None:
    run = shown["result"]
    assert isinstance(run, Run)
    frame = run.to_pandas("samples")
    assert {"prompt_id", "seed", "metric", "value"} <= set(frame.columns)
    assert set(frame["prompt_id"]) >= {"o01", "t01"}


def test_a_score_is_found_by_its_short_name(shown: dict[str, Shown]) -> None:
    run = shown["result"]
    assert isinstance(run, Run)
    assert run.score("fid").metric == "fid@n=96"
    with pytest.raises(harness.HarnessError, match="has no score of 'beauty'"):
        run.score("beauty")


def test_what_a_person_wrote_is_escaped(shown: dict[str, Shown]) -> None:
    run = shown["result"]
    assert isinstance(run, Run)
    wicked = run.result.model_copy(update={"summary": "<script>alert(1)</script>"})
    html = Run(wicked, run.path)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_pictures_of_a_comparison_are_those_that_differ_most(shown: dict[str, Shown]) -> None:
    found = shown["comparison"]
    assert isinstance(found, Comparisons)
    pairs = found.pairs(4)
    assert len(pairs) == 4
    assert all(pair.before and pair.after for pair in pairs)
    a = harness.load_result(found.files[0]).to_pandas("samples")
    first = pairs[0].worst
    row = a[
        (a["prompt_id"] == first.prompt_id)
        & (a["seed"] == first.seed)
        & (a["metric"] == first.metric)
    ]
    assert row["value"].tolist() == [first.before]

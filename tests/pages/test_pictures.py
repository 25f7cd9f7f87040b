"""The page that two folders amount to, and benchmarks without prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import PageError, UsageError
from harness.pages import benchmark
from harness.pages.benchmark import Benchmark
from harness.pages.pictures import picture_page, write_page
from harness.pages.yaml import load_page


def page(**changes: Any) -> dict[str, Any]:
    return picture_page(Path("real"), None, 100) | changes


def test_the_page_that_is_written_is_the_benchmark_that_judged(tmp_path: Path) -> None:
    for originals in (None, Path("trained")):
        file = tmp_path / f"{originals}.yaml"
        own = picture_page(Path("real"), originals, 900, file.stem.lower())
        write_page(own, file)
        write_page(own, file)  # the same page again is no loss
        assert load_page(Benchmark, file) == Benchmark.model_validate_json(json.dumps(own))
        assert "begin where the command runs" in file.read_text()
        assert own["reference"]["resolution"] == 256
        assert ("memorization" in {each["use"] for each in own["metrics"]}) is bool(originals)
        assert benchmark.load(str(file)).benchmark.judges_pictures


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("# mine\n")
    with pytest.raises(UsageError, match="is there already"):
        write_page(page(), file)
    assert file.read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Real Pictures (v2)", "against-real-pictures-v2"), ("現実", "against-folder-2340788618")],
)
def test_any_folder_gives_a_name(folder: str, name: str) -> None:
    assert picture_page(Path("/x") / folder, None, 64)["name"] == name


@pytest.mark.parametrize(("side", "seen"), [(9, 32), (70, 64), (256, 256), (4000, 256)])
def test_pictures_are_seen_no_larger_than_they_are(side: int, seen: int) -> None:
    assert picture_page(Path("real"), None, side)["reference"]["resolution"] == seen


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"suites": ["pocket-tags"]}, "names suites, and no sampler"),
        ({"base": True}, "has base, and no prompts"),
        ({"sampler": {"steps": 4, "guidance": 4, "width": 64, "height": 64}}, "has sampler, and"),
        ({"reference": None, "metrics": [{"use": "artefacts"}]}, "neither prompts nor real"),
    ],
)
def test_half_of_what_draws_is_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "against-real.yaml"
    kept = {name: part for name, part in page(**changes).items() if part is not None}
    file.write_text(json.dumps(kept))
    with pytest.raises(PageError, match=complaint):
        load_page(Benchmark, file)


def test_a_benchmark_without_prompts_draws_for_nobody() -> None:
    judgement = benchmark.Judgement(Benchmark.model_validate_json(json.dumps(page())), ())
    with pytest.raises(UsageError, match="judges only pictures that exist"):
        _ = judgement.sampler
    assert judgement.with_pictures(3).images == 3

"""Policies as pages: what they may say, and what they are told where they do not hold."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from harness.errors import PageError, UsageError
from harness.pages import policy
from harness.pages.policy import DEFAULT, Limits, Policy, load

HEAD = "schema_version: 1\nname: trainer\nsummary: What a change may do.\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_example_of_the_docstring_is_a_policy(tmp_path: Path) -> None:
    example = (policy.__doc__ or "").split("\n\n")[1]
    found = load(written(tmp_path, textwrap.dedent(example)))
    assert (found.name, found.claim, found.images) == ("trainer", "recipe", 0)
    assert found.metrics == (
        Limits(metric="kid"),
        Limits(metric="clip-score", margin=0.3, least=25),
        Limits(metric="fid", window=0.47),
    )


def test_a_policy_that_names_nothing_tolerates_no_missing_image(tmp_path: Path) -> None:
    found = load(written(tmp_path, HEAD))
    assert (found.metrics, found.images, found.claim) == ((), 0, None)
    assert (DEFAULT.metrics, DEFAULT.images, DEFAULT.claim) == ((), 0, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("margn: 1", "metrics[0].margn is not a field (did you mean metrics[0].margin?)"),
        ("margin: -1", "metrics[0].margin must be at least 0"),
        ("window: 0", "metrics[0].window must be greater than 0"),
        ("least: 3, most: 2", "metrics[0] has a least of 3 above its most of 2"),
        ("margin: .inf", "metrics[0].margin is not a finite number"),
    ],
)
def test_what_a_policy_gets_wrong_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    file = written(tmp_path, f"{HEAD}metrics:\n  - {{metric: kid, {text}}}\n")
    with pytest.raises(PageError) as caught:
        load(file)
    assert f"policy.yaml:5: {message}" in str(caught.value)


def test_all_limits_of_a_metric_stand_in_one_place(tmp_path: Path) -> None:
    file = written(tmp_path, f"{HEAD}metrics: [{{metric: kid}}, {{metric: kid, margin: 1}}]\n")
    with pytest.raises(PageError, match="names 'kid' twice"):
        load(file)


def test_a_policy_is_found_by_its_file_and_not_by_its_name() -> None:
    with pytest.raises(UsageError, match="there is no policy nightly"):
        load(Path("nightly"))


def test_a_window_alone_stands_for_a_margin() -> None:
    assert Limits(metric="kid").has_margin
    assert Limits(metric="kid", least=1).has_margin
    assert not Limits(metric="kid", window=1).has_margin
    assert Limits(metric="kid", window=1, margin=1).has_margin


def test_a_policy_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Policy(name="a", summary="b").images = 3  # type: ignore[misc]

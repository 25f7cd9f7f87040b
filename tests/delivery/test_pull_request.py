"""A comment on a pull request: one of ours, kept up to date, and a token that goes nowhere else."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from pull_requests import BOT, TOKEN, Reviews, reviewed

from harness.delivery.pull_request import (
    NotCommented,
    address_of_workflow,
    comment,
    find,
    require_named,
)
from harness.errors import HarnessError, MissingPrerequisite, UsageError

MARKER = "<!-- harness gate 1 -->"
STRANGER = {"id": 9, "type": "User"}


def say(reviews: Reviews, words: str) -> str:
    return comment(find("7", reviews.environment), MARKER, f"{MARKER}\n{words}")


def bodies(reviews: Reviews) -> list[str]:
    return [each["body"] for each in reviews.comments]


def methods(reviews: Reviews) -> list[str]:
    return [method for method, path, _ in reviews.asked if path != "/user"]


@pytest.mark.parametrize("user", [None, 5])
def test_a_comment_is_made_once_and_updated_after(user: int | None) -> None:
    with reviewed(user=user) as reviews:
        reviews.add("a word before", STRANGER)
        first = say(reviews, "fails")
        second = say(reviews, "passes")
    assert bodies(reviews) == ["a word before", f"{MARKER}\npasses"]
    assert first == second == "https://github.example/pull/7#issuecomment-2"
    assert methods(reviews) == ["GET", "POST", "GET", "PATCH"]
    assert {token for *_, token in reviews.asked} == {f"Bearer {TOKEN}"}


def test_our_comment_is_found_behind_pages_of_others() -> None:
    with reviewed() as reviews:
        for at in range(205):
            reviews.add(f"word {at}", STRANGER)
        say(reviews, "fails")
        say(reviews, "passes")
    assert len(reviews.comments) == 206
    assert methods(reviews) == ["GET"] * 3 + ["POST"] + ["GET"] * 3 + ["PATCH"]


@pytest.mark.parametrize("user", [None, 5])
def test_a_comment_of_a_stranger_is_never_taken_for_ours(user: int | None) -> None:
    with reviewed(user=user) as reviews:
        reviews.add(f"{MARKER}\nplanted", STRANGER)
        reviews.add(f"> {MARKER}\nquoted", BOT)
        reviews.add("<!-- harness gate 2 -->\nof another recipe", BOT)
        say(reviews, "fails")
    assert bodies(reviews)[:3] == [
        f"{MARKER}\nplanted",
        f"> {MARKER}\nquoted",
        "<!-- harness gate 2 -->\nof another recipe",
    ]
    assert bodies(reviews)[3] == f"{MARKER}\nfails"


@pytest.mark.parametrize("status", [403, 404])
def test_a_comment_that_may_not_be_edited_is_made_anew(status: int) -> None:
    with reviewed(statuses={"PATCH": status}) as reviews:
        reviews.add(f"{MARKER}\nof another app", BOT)
        say(reviews, "fails")
    assert bodies(reviews) == [f"{MARKER}\nof another app", f"{MARKER}\nfails"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(method: str, status: int) -> None:
    with reviewed() as elsewhere, reviewed(statuses={method: status}) as reviews:
        reviews.location = f"{elsewhere.url}/repos/ink/loras/issues/7/comments"
        if method == "PATCH":
            reviews.add(f"{MARKER}\nours", BOT)
        with pytest.raises(NotCommented, match=f"status {status}"):
            say(reviews, "fails")
    assert elsewhere.asked == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_failure_is_one_line_without_the_token(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    with reviewed(statuses={method: 500}) as reviews, caplog.at_level(logging.DEBUG):
        reviews.add(f"{MARKER}\nours", BOT if method == "PATCH" else STRANGER)
        with pytest.raises(NotCommented) as raised:
            say(reviews, "fails")
    said = str(raised.value)
    assert f"{method} /repos/ink/loras/issues" in said
    assert "status 500" in said
    assert TOKEN not in f"{said}{caplog.text}{find('7', reviews.environment)!r}"
    assert "\n" not in said


def test_an_api_that_is_not_there_is_a_failure_like_others() -> None:
    with reviewed() as reviews:
        pass
    with pytest.raises(NotCommented, match="URLError"):
        say(reviews, "fails")


@pytest.mark.parametrize(
    ("changes", "words", "says"),
    [
        ({"GITHUB_TOKEN": ""}, "7", "there is no GITHUB_TOKEN or GH_TOKEN"),
        ({"GITHUB_TOKEN": "a\nb"}, "7", "holds signs that no token has"),
        ({"GITHUB_REPOSITORY": ""}, "7", "names no repository"),
        ({"GITHUB_REPOSITORY": "../x?"}, "7", "names no repository"),
        ({"GITHUB_API_URL": "http://api.example"}, "7", "no https address"),
        ({"GITHUB_API_URL": "https://a:b@api.example"}, "7", "no https address"),
        ({"GITHUB_API_URL": "https://[x"}, "7", "no https address"),
        ({"GITHUB_REF": "refs/heads/main"}, "here", "runs for no pull request"),
    ],
)
def test_what_the_environment_lacks_is_told(changes: dict[str, str], words: str, says: str) -> None:
    given = {"GITHUB_REPOSITORY": "ink/loras", "GITHUB_TOKEN": TOKEN} | changes
    with pytest.raises(HarnessError, match=says) as raised:
        find(words, given)
    assert TOKEN not in str(raised.value)
    assert "a\nb" not in str(raised.value)


@pytest.mark.parametrize("words", ["", "abc", "0", "-1", "a#1", "a/b#", "a/..#1", "a/b/c#1", "١"])
def test_words_that_name_no_pull_request_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="names no pull request"):
        require_named(words)


def test_a_pull_request_is_named_by_number_by_repository_or_by_its_workflow(
    tmp_path: Path,
) -> None:
    given = {"GITHUB_REPOSITORY": "ink/loras", "GH_TOKEN": TOKEN}
    assert find("12", given).api == "https://api.github.com"
    other = find("Ink/my.loras#3", given)
    assert (other.repository, other.number) == ("Ink/my.loras", 3)
    assert find("here", given | {"GITHUB_REF": "refs/pull/8/merge"}).number == 8
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 9}}))
    told = given | {"GITHUB_EVENT_PATH": str(event), "GITHUB_REF": "refs/heads/main"}
    assert find("here", told).number == 9
    event.write_text("[]")
    with pytest.raises(MissingPrerequisite):
        find("here", told)


def test_the_workflow_that_runs_has_an_address() -> None:
    run = {"GITHUB_SERVER_URL": "https://g.example", "GITHUB_RUN_ID": "5"}
    assert address_of_workflow(run) is None
    assert address_of_workflow(run | {"GITHUB_REPOSITORY": "ink/loras"}) == (
        "https://g.example/ink/loras/actions/runs/5"
    )

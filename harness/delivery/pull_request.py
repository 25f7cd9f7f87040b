"""One comment on a pull request, made once and kept up to date, by GitHub's API.

The token comes from the environment and goes to the API's own host alone: no redirect is followed,
and no message here holds it. A comment that somebody else wrote is never taken for ours, whatever
stands in it: its author could change our verdict afterwards.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from harness.errors import HarnessError, MissingPrerequisite, UsageError
from harness.escaping import one_line

HERE = "here"
ROOM = 65_536
"""The signs that a comment may have."""
PUBLIC = "https://api.github.com"
SECONDS = 20.0
"""How long one answer may take."""
PAGES, PAGE = 50, 100
"""How many pages of comments are read, and how many comments are on one."""
MOST = 16 << 20
"""The bytes that are read of one answer."""
_REPOSITORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")
_NAMED = re.compile(r"(?:(?P<repository>[^#]+)#)?(?P<number>[1-9][0-9]{0,9})")
_OF_A_PULL = re.compile(r"refs/pull/([1-9][0-9]{0,9})/")
_TOKEN = re.compile(r"[!-~]{1,1000}")
"""Signs that a header may hold: of any other, an error message would show the whole header."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NotCommented(HarnessError):
    """The comment could not be made."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request, and how it is reached."""

    repository: str
    number: int
    api: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class _Answer:
    status: int
    content: Any
    has_next: bool


def require_named(words: str) -> None:
    """Refuse words that name no pull request in any environment."""
    found = _NAMED.fullmatch(words)
    repository = found["repository"] if found else None
    if words != HERE and (not found or (repository and not _REPOSITORY.fullmatch(repository))):
        raise UsageError(
            f"--comment {one_line(words)} names no pull request",
            hint="a number, OWNER/NAME#12, or `here` in a workflow of a pull request",
        )


def find(words: str, environment: Mapping[str, str] = os.environ) -> PullRequest:
    """Return the pull request that words name, by the environment of a GitHub workflow."""
    require_named(words)
    named = _NAMED.fullmatch(words)
    repository = (named and named["repository"]) or environment.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(repository):
        raise MissingPrerequisite(
            "GITHUB_REPOSITORY names no repository", hint="or say --comment OWNER/NAME#12"
        )
    number = int(named["number"]) if named else _number_here(environment)
    return PullRequest(repository, number, _api(environment), _token(environment))


def _number_here(environment: Mapping[str, str]) -> int:
    """Return the number of the pull request that a workflow runs for."""
    number = _number_of_event(environment.get("GITHUB_EVENT_PATH"))
    of_ref = _OF_A_PULL.match(environment.get("GITHUB_REF", ""))
    if number is None and of_ref is None:
        raise MissingPrerequisite("this workflow runs for no pull request")
    return number or int(of_ref[1] if of_ref else 0)


def _number_of_event(file: str | None) -> int | None:
    try:
        event = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        number = event["pull_request"]["number"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return number if type(number) is int and number > 0 else None


def _api(environment: Mapping[str, str]) -> str:
    """Return the API's address; a token goes over the network by https only."""
    address = environment.get("GITHUB_API_URL") or PUBLIC
    try:
        parts = urlsplit(address)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
        odd = not parts.hostname or parts.username or parts.query or parts.fragment
    except ValueError:
        is_safe, odd = False, True
    if odd or not is_safe:
        raise UsageError("GITHUB_API_URL is no https address of an API")
    return address.rstrip("/")


def _token(environment: Mapping[str, str]) -> str:
    token = (environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN") or "").strip()
    if not token:
        raise MissingPrerequisite("there is no GITHUB_TOKEN or GH_TOKEN")
    if not _TOKEN.fullmatch(token):
        raise UsageError("GITHUB_TOKEN or GH_TOKEN holds signs that no token has")
    return token


def address_of_workflow(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return where the workflow that runs shows its summary and its files, if one runs."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None


def comment(pull: PullRequest, marker: str, body: str) -> str:
    """Write a body that begins with its marker as the one comment of ours; return its address.

    Where the comment may not be edited any more, a new one is made.
    """
    assert body.startswith(marker)
    assert len(body) <= ROOM
    place = f"/repos/{pull.repository}/issues"
    for number in _ours(pull, f"{place}/{pull.number}/comments", marker):
        answer = _ask(pull, "PATCH", f"{place}/comments/{number}", {"body": body}, (403, 404))
        if answer.status < 300:
            return _address(answer)
    return _address(_ask(pull, "POST", f"{place}/{pull.number}/comments", {"body": body}))


def _ours(pull: PullRequest, place: str, marker: str) -> Iterator[int]:
    """Yield the numbers of our comments with this marker, oldest first."""
    me = _ask(pull, "GET", "/user", passed=(401, 403, 404))  # a workflow's token is no user's
    mine = me.content.get("id") if me.status == 200 and isinstance(me.content, dict) else None
    for page in range(1, PAGES + 1):
        answer = _ask(pull, "GET", f"{place}?per_page={PAGE}&page={page}")
        comments = answer.content if isinstance(answer.content, list) else []
        for each in comments:
            if _is_ours(each, marker, mine):
                yield each["id"]
        if not answer.has_next:
            return


def _is_ours(comment: Any, marker: str, mine: Any) -> bool:
    """Return whether we wrote a comment: this user, or else an app, as a workflow is."""
    try:
        body, author, number = comment["body"], comment["user"], comment["id"]
        by_us = author["id"] == mine if mine is not None else author["type"] == "Bot"
    except (KeyError, TypeError):
        return False
    return by_us and type(number) is int and isinstance(body, str) and body.startswith(marker)


def _address(answer: _Answer) -> str:
    content = answer.content if isinstance(answer.content, dict) else {}
    return one_line(str(content.get("html_url", "")))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes every redirect for a failure: the token is for one host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _ask(
    pull: PullRequest,
    method: str,
    place: str,
    content: Mapping[str, str] | None = None,
    passed: tuple[int, ...] = (),
) -> _Answer:
    """Return what the API answers; a status that is no success is an error unless it is `passed`.

    What an error of the network says is not repeated: it may name a header.
    """
    request = urllib.request.Request(
        pull.api + place,
        None if content is None else json.dumps(content).encode(),
        {
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "User-Agent": "harness",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        method=method,
    )
    request.add_unredirected_header("Authorization", f"Bearer {pull.token}")
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=SECONDS) as answer:
            has_next = 'rel="next"' in (answer.headers.get("Link") or "")
            return _Answer(answer.status, json.loads(answer.read(MOST)), has_next)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in passed:
            return _Answer(error.code, None, False)
        what = f"status {error.code}"
    except (OSError, ValueError, HTTPException) as error:
        what = type(error).__name__
    raise NotCommented(f"the API does not take {method} {place.partition('?')[0]} ({what})")

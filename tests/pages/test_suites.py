"""Suites are append-only: what a prompt id meant once, it means for good.

`tests/golden/suites.json` holds the digest of every prompt under the version that brought it.
After adding prompts and raising a suite's version, write it anew:
`python tests/pages/test_suites.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.fingerprint import digest
from harness.keys import described
from harness.pages.benchmark import Prompt, PromptSuite
from harness.pages.yaml import load_page
from harness.pocket.world import row

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/suites.json"
RECORD = "write it down: python tests/pages/test_suites.py"
Known = dict[str, dict[str, str]]
"""Version → id → digest, of one suite."""


def shipped() -> dict[str, PromptSuite]:
    files = sorted((ROOT / "prompts/suites").glob("*.yaml"))
    return {file.stem: load_page(PromptSuite, file) for file in files}


def known() -> dict[str, Known]:
    found: dict[str, Known] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    return found


def digests(suite: PromptSuite) -> dict[str, str]:
    return {prompt.id: digest(described(prompt)) for prompt in suite.prompts}


def added(suite: PromptSuite, golden: Known) -> dict[str, str]:
    """Return the prompts that no version recorded so far has brought."""
    old = {name for prompts in golden.values() for name in prompts}
    return {name: value for name, value in digests(suite).items() if name not in old}


def breaches(suite: PromptSuite, golden: Known) -> Iterator[str]:
    """Yield each promise of `golden` that `suite` breaks."""
    now = digests(suite)
    for version, prompts in golden.items():
        for name, value in prompts.items():
            if now.get(name) != value:
                what = "was edited" if name in now else "is gone"
                yield f"{suite.name}: {name} of version {version} {what}"
    newest = max(map(int, golden), default=0)
    new = ", ".join(added(suite, golden))
    if suite.version < newest:
        yield f"{suite.name}: version {suite.version} is older than {newest}"
    elif suite.version == newest and new:
        yield f"{suite.name}: {new} came without raising version {newest}"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(known() | shipped()))
def test_a_suite_keeps_every_prompt_it_ever_had(name: str) -> None:
    suite = shipped().get(name)
    assert suite is not None, f"the suite {name} is gone"
    golden = known().get(name, {})
    assert list(breaches(suite, golden)) == []
    assert str(suite.version) in golden, RECORD


def test_pocket_captions_are_those_that_recipes_learn_from() -> None:
    prompts = shipped()["pocket-captions"].prompts
    assert len(prompts) == 24
    assert [each.text for each in prompts] == [row("ninja", at).caption for at in range(24)]


def suite(version: int, *prompts: tuple[str, str]) -> PromptSuite:
    told = tuple(Prompt(id=name, text=text) for name, text in prompts)
    return PromptSuite(name="ink", version=version, summary="-", prompts=told)


OLD = suite(1, ("a", "one"), ("b", "two"))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (OLD, []),
        (suite(2, ("a", "one"), ("b", "two"), ("c", "three")), []),
        (suite(1, ("b", "two"), ("a", "one")), []),
        (suite(2, ("a", "won"), ("b", "two")), ["ink: a of version 1 was edited"]),
        (suite(2, ("a", "one")), ["ink: b of version 1 is gone"]),
        (
            suite(1, ("a", "one"), ("b", "two"), ("c", "three")),
            ["ink: c came without raising version 1"],
        ),
    ],
)
def test_edited_lost_and_smuggled_prompts_are_told(new: PromptSuite, said: list[str]) -> None:
    assert list(breaches(new, {"1": digests(OLD)})) == said


def test_a_version_does_not_go_back() -> None:
    golden = {"1": digests(OLD), "2": {}}
    assert list(breaches(OLD, golden)) == ["ink: version 1 is older than 2"]


def test_a_negative_is_part_of_what_a_prompt_means() -> None:
    prompt = OLD.prompts[0]
    assert described(prompt) == {"id": "a", "text": "one"}
    assert described(prompt.model_copy(update={"negative": ""})) != described(prompt)


def record() -> None:
    """Add what is new to the golden file; what breaks a promise stops it."""
    golden = known()
    for name, each in shipped().items():
        mine = golden.setdefault(name, {})
        found = list(breaches(each, mine))
        if found:
            sys.exit("\n".join(found))
        if str(each.version) not in mine:
            mine[str(each.version)] = added(each, mine)
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    record()

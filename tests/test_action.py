"""The composite action: its script runs as GitHub would run it, with a double of `harness`."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ACTION = Path(__file__).parents[1] / ".github/actions/gate/action.yml"
BASELINE = "reports/baselines/anime-v1/my style.json"


@dataclass(frozen=True)
class Done:
    """How the gate's step ended, what it called, what the baseline said, and what was told."""

    code: int
    called: list[str]
    baseline: str
    summary: str
    out: str

    def value(self, flag: str) -> str:
        return self.called[self.called.index(flag) + 1]


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(ACTION.read_text())["runs"]["steps"]
    return found


def double_of_harness(folder: Path, code: int) -> Path:
    """Write a command that notes its words and the baseline that it was given."""
    double = folder / "bin/harness"
    double.parent.mkdir(parents=True)
    double.write_text(
        f'#!/bin/sh\nout="{folder}"\nprintf "%s\\n" "$@" > "$out/called"\n'
        'while [ $# -gt 1 ]; do\n  if [ "$1" = --baseline ]; then cp "$2" "$out/baseline"; fi\n'
        '  if [ "$1" = --summary ]; then echo "the summary" > "$2"; fi\n'
        '  if [ "$1" = --junit ]; then\n    echo "classname=\\"gate.$KIND\\"" > "$2"\n  fi\n'
        "  shift\ndone\n"
        f"exit {code}\n"
    )
    double.chmod(double.stat().st_mode | stat.S_IXUSR)
    return double.parent


def run(
    folder: Path,
    code: int = 0,
    cwd: Path | None = None,
    command: str = "harness gate",
    **inputs: str,
) -> Done:
    """Run the step of a command; without `cwd`, in a folder that is no repository."""
    out, place = folder / "out", cwd or folder / "checkout"
    binaries = double_of_harness(out, code)
    (place / BASELINE).parent.mkdir(parents=True, exist_ok=True)
    if cwd is None:
        (place / BASELINE).write_text("as it lies here")
    script = next(step["run"] for step in steps() if command in step.get("run", ""))
    environment = {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(out / "summary.md"),
        "RUNNER_TEMP": str(folder / "temp"),
        "RECIPE": "my style",
        "BASELINE": str((place / BASELINE).resolve()) if cwd is None else BASELINE,
        "POLICY": "",
        "RULES_FROM": "target",
        "UNDER_POWERED": "fail",
        "COMMENT": "false",
        "KIND": "bound",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=place,
        env=environment | inputs,
        capture_output=True,
        text=True,
    )
    kept = {
        name: (out / name).read_text() if (out / name).is_file() else ""
        for name in ("called", "baseline", "summary.md")
    }
    return Done(
        done.returncode,
        kept["called"].splitlines(),
        kept["baseline"],
        kept["summary.md"],
        done.stdout + done.stderr,
    )


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A checkout of a pull request that changes baseline and policy, and brings a store."""
    target, fork = tmp_path / "target", tmp_path / "fork"
    for folder in (target, fork):
        (folder / BASELINE).parent.mkdir(parents=True)
    (target / BASELINE).write_text("of the target branch")
    (target / "policy.yaml").write_text("strict")
    git(target, "init")
    git(target, "add", ".")
    git(target, "commit", "-m", "accepted")
    shutil.rmtree(fork)
    git(tmp_path, "clone", str(target), "fork")
    (fork / BASELINE).write_text("of the fork")
    (fork / "policy.yaml").write_text("lenient")
    (fork / "own.yaml").write_text("lenient")
    (fork / ".harness/store").mkdir(parents=True)
    return fork


@pytest.mark.parametrize(
    ("code", "unsure", "ends"), [(0, "fail", 0), (3, "fail", 3), (4, "fail", 4), (4, "pass", 0)]
)
def test_the_step_ends_as_the_gate_does(code: int, unsure: str, ends: int, tmp_path: Path) -> None:
    done = run(tmp_path, code, UNDER_POWERED=unsure)
    assert done.code == ends, done.out
    assert done.called[:3] == ["gate", "my style", "--baseline"]
    assert "--policy" not in done.called
    assert done.summary == "the summary\n"
    assert done.baseline == "as it lies here"


@pytest.mark.parametrize("code", [3, 4])
def test_a_metric_that_is_missing_never_ends_as_a_pass(code: int, tmp_path: Path) -> None:
    assert run(tmp_path, code, UNDER_POWERED="pass", KIND="missing").code == code


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (4, 0)])
def test_the_results_are_verified_where_their_artifacts_are_there(
    code: int, ends: int, tmp_path: Path
) -> None:
    done = run(tmp_path, code, command="harness verify")
    assert done.code == ends
    assert done.called[:4] == ["verify", "--all", "--reports", "reports"]
    assert Path(done.value("--store")) == tmp_path / "temp/harness/store"


def test_a_policy_is_handed_on(tmp_path: Path) -> None:
    assert run(tmp_path, POLICY="my policy.yaml").value("--policy") == "my policy.yaml"


def test_a_comment_is_made_only_where_it_is_asked_for(tmp_path: Path) -> None:
    assert "--comment" not in run(tmp_path / "a").called
    assert run(tmp_path / "b", 3, COMMENT="true").value("--comment") == "here"
    refused = run(tmp_path / "c", COMMENT="yes")
    assert (refused.code, refused.called) == (2, [])
    assert "comment is true or false" in refused.out


def test_only_the_gate_gets_a_token_and_only_for_a_comment() -> None:
    given = {
        name: value
        for step in steps()
        for name, value in (step.get("env") or {}).items()
        if "github.token" in value
    }
    assert given == {"GITHUB_TOKEN": "${{ inputs.comment == 'true' && github.token || '' }}"}


def test_a_pull_request_is_held_to_the_baseline_and_policy_of_its_target(
    fork: Path, tmp_path: Path
) -> None:
    done = run(tmp_path, cwd=fork, GITHUB_BASE_REF="main", POLICY="policy.yaml")
    assert done.code == 0, done.out
    assert done.baseline == "of the target branch"
    assert Path(done.value("--policy")).read_text() == "strict"
    assert Path(done.value("--reports")) == tmp_path / "temp/harness/target/reports"


def test_a_second_run_on_the_same_machine_takes_the_target_as_it_is_then(
    fork: Path, tmp_path: Path
) -> None:
    run(tmp_path, cwd=fork, GITHUB_BASE_REF="main")
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "target" / BASELINE).write_text("accepted since")
    git(tmp_path / "target", "commit", "-am", "accepted since")
    assert run(tmp_path, cwd=fork, GITHUB_BASE_REF="main").baseline == "accepted since"


def test_no_artifact_is_read_and_no_file_written_where_a_pull_request_can_reach(
    fork: Path, tmp_path: Path
) -> None:
    done = run(tmp_path, cwd=fork, GITHUB_BASE_REF="main")
    for flag in ("--store", "--junit", "--html", "--summary", "--reports"):
        assert Path(done.value(flag)).is_relative_to(tmp_path / "temp"), flag


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"POLICY": "own.yaml"}, "main has no own.yaml"),
        ({"BASELINE": "reports/baselines/anime-v1/other.json"}, "main has no reports/"),
        ({"BASELINE": "../fork/own.yaml"}, "not a path inside"),
        ({"BASELINE": "/etc/hostname"}, "not a path inside"),
        ({"RULES_FROM": "fork"}, "rules-from is target or checkout"),
    ],
)
def test_rules_that_the_target_does_not_have_end_the_step(
    fork: Path, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    done = run(tmp_path, cwd=fork, **{"GITHUB_BASE_REF": "main"} | changes)
    assert done.code == 2
    assert says in done.out
    assert done.called == [], "no gate was run"


def test_whoever_trusts_the_checkout_says_so(fork: Path, tmp_path: Path) -> None:
    done = run(tmp_path, cwd=fork, GITHUB_BASE_REF="main", RULES_FROM="checkout")
    assert done.baseline == "of the fork"


def test_a_result_of_the_pull_request_is_told_to_be_its_own_words(
    fork: Path, tmp_path: Path
) -> None:
    done = run(tmp_path, cwd=fork, GITHUB_BASE_REF="main", RECIPE="reports/anime-v1/x.json")
    assert "::warning::" in done.out


def test_inputs_reach_the_shell_as_variables_and_never_as_code() -> None:
    for step in steps():
        assert "${{" not in step.get("run", ""), "an input that is pasted in could be a command"

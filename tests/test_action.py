"""The composite action: its script runs as GitHub would run it, with a double of `harness`."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ACTION = Path(__file__).parents[1] / ".github/actions/gate/action.yml"


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(ACTION.read_text())["runs"]["steps"]
    return found


def run(
    folder: Path, code: int, command: str = "harness gate", **inputs: str
) -> tuple[int, list[str], str]:
    """Return how the step of a command ends, what it called, and the job's summary."""
    double = folder / "bin" / "harness"
    double.parent.mkdir()
    double.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > called\nmkdir -p .harness\n'
        f'echo "the summary" > .harness/gate.md\nexit {code}\n'
    )
    double.chmod(double.stat().st_mode | stat.S_IXUSR)
    script = next(step["run"] for step in steps() if command in step.get("run", ""))
    environment = {
        "PATH": f"{double.parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "RECIPE": "my style",
        "BASELINE": "b.json",
        "POLICY": "",
        "UNDER_POWERED": "fail",
    }
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment | inputs)
    return (
        done.returncode,
        (folder / "called").read_text().splitlines(),
        (folder / "summary.md").read_text() if (folder / "summary.md").exists() else "",
    )


@pytest.mark.parametrize(
    ("code", "unsure", "ends"), [(0, "fail", 0), (3, "fail", 3), (4, "fail", 4), (4, "pass", 0)]
)
def test_the_step_ends_as_the_gate_does(code: int, unsure: str, ends: int, tmp_path: Path) -> None:
    ended, called, summary = run(tmp_path, code, UNDER_POWERED=unsure)
    assert ended == ends
    assert called[:4] == ["gate", "my style", "--baseline", "b.json"]
    assert "--policy" not in called
    assert summary == "the summary\n"


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (4, 0)])
def test_the_results_are_verified_where_their_artifacts_are_there(
    code: int, ends: int, tmp_path: Path
) -> None:
    (tmp_path / "reports").mkdir()
    assert run(tmp_path, code, "harness verify")[:2] == (ends, ["verify", "--all"])


def test_a_policy_is_handed_on(tmp_path: Path) -> None:
    _, called, _ = run(tmp_path, 0, POLICY="my policy.yaml")
    assert called[called.index("--policy") + 1] == "my policy.yaml"


def test_inputs_reach_the_shell_as_variables_and_never_as_code() -> None:
    for step in steps():
        assert "${{" not in step.get("run", ""), "an input that is pasted in could be a command"

"""Shell completion: names of pages, metrics and result files, at once and without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import FIXTURES, ROOT, Command

from harness.cli import complete


def completed(line: str, command: Command, cwd: Path = FIXTURES, shell: str = "bash") -> list[str]:
    """Return what a shell is told of a line whose last word is not complete."""
    words = line.split(" ")
    asked = {
        complete.ASKED: f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return command(env=asked, cwd=cwd).out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("harness reh", ["rehearse"]),
        ("harness store pu", ["push", "pull"]),
        ("harness run ti", ["tiny"]),
        ("harness run tiny pocket-b", ["pocket-base"]),
        ("harness plan tiny -b tin", ["tiny-v1"]),
        ("harness calibrate tin", ["tiny-v1"]),
        ("harness compare a b --metric kid", ["kid"]),
        ("harness list su", ["suites"]),
        ("harness run tiny --device c", ["cpu", "cuda"]),
        ("harness run tiny --proc", ["--processes"]),
        ("harness list --sto", []),
    ],
)
def test_a_word_is_completed(line: str, expected: list[str], command: Command) -> None:
    assert completed(line, command) == expected


def test_fish_and_zsh_are_answered_too(command: Command) -> None:
    assert completed("harness run ti", command, shell="fish") == ["tiny"]
    assert '"tiny"' in " ".join(completed("harness run ti", command, shell="zsh"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_name_that_a_shell_would_run_is_not_offered(
    shell: str, command: Command, tmp_path: Path
) -> None:
    for name in ("tiny", "tiny$(id)", "tiny;id", "tiny`id`", 'tiny"', "tiny\nid", "tiny id"):
        page = tmp_path / "recipes" / f"{name}.yaml"
        page.parent.mkdir(exist_ok=True)
        page.touch()
    told = " ".join(completed("harness run ti", command, tmp_path, shell))
    assert "tiny" in told
    assert "id" not in told


def test_result_files_are_completed_below_the_reports(command: Command, tmp_path: Path) -> None:
    for name in ("tiny-v1/tiny.json", "tiny-v1/runs/a.json", "baselines/tiny-v1/tiny.noise.json"):
        file = tmp_path / "reports" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert completed("harness report r", command, tmp_path) == ["reports/tiny-v1/tiny.json"]
    assert completed("harness compare t", command, tmp_path) == ["tiny"]


def test_bash_completes_by_the_script_that_is_printed(command: Command, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    script = command("completion", "bash").out
    program = tmp_path / "harness"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    program.chmod(0o755)
    asked = f"""
        export PATH={tmp_path}:$PATH PYTHONPATH={ROOT}
        {script}
        complete -p harness
        COMP_WORDS=(harness run ti); COMP_CWORD=2; _harness_completion harness
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [bash, "--norc", "-c", asked], cwd=FIXTURES, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "complete -o default -F _harness_completion harness",
        "tiny",
    ]


def test_completion_and_help_load_nothing_heavy() -> None:
    program = """
import sys
from harness.cli import complete, main
complete.recipes("p"), complete.results(""), complete.metrics("k")
try:
    main(["--help"])
finally:
    print(*{"torch", "numpy", "pydantic", "ruamel", "rich", "pandas"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Make:" in done.stdout
    assert done.stdout.splitlines()[-1] == ""

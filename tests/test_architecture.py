"""The house stands as it is drawn: arrows point down, and one file is one page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_imports_point_down() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


def test_no_file_grows_past_a_page() -> None:
    files = [*ROOT.glob("harness/**/*.py"), *ROOT.glob("dashboard/**/*.py")]
    assert len(files) > 60
    long = {
        file.name: lines
        for file in files
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_no_page_names_a_machine_or_a_pickle() -> None:
    files = [
        file
        for folder in ("harness", "recipes", "prompts", "dashboard", "reports")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".yaml", ".json", ".md", ".j2", ".txt")
    ]
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8")
        for word in ("/home/", "/root/", "pickle.load", "trust_remote_code=True"):
            assert word not in text, f"{file} says {word}"
        for line in text.splitlines():
            assert "torch.load(" not in line or "weights_only=True" in line, f"{file}: {line}"

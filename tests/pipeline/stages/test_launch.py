"""How workers begin: nothing in the working directory is a module of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.pipeline.stages import launch

STRANGER = 'print("a stranger was run")\nraise SystemExit(1)\n'


@pytest.mark.slow
def test_no_module_of_the_working_directory_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("accelerate/__init__.py", "torch.py", "numpy.py", "harness/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(STRANGER)
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "errors.txt").open("w") as errors:
        child = launch.start(["--help"], tmp_path / "job.json", errors)
        said, _ = child.communicate(timeout=120)
    assert child.returncode == 0, (tmp_path / "errors.txt").read_text()
    assert "num_processes" in said
    assert "stranger" not in said

"""The script that measures a card runs from end to end on a CPU, with a tiny SDXL."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from card.counting import forecast_flops, training_flops
from card.figures import Context, Deadline, Figure, attempt, missing
from card.report import CardFile
from card.trial import LORA

from harness.pages.train import Train

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "performance" / "gpu.py"
CARD = ROOT / "performance" / "card"
PARTS = ("ceiling", "training", "plain", "full", "sampling", "features", "determinism", "tests")
WRITTEN = tuple(part for part in PARTS if (CARD / f"{part}.py").is_file())


def loaded() -> ModuleType:
    """Return the script as a module."""
    spec = spec_from_file_location("card_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ran(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of the rehearsal's file, and what it printed."""
    folder = tmp_path_factory.mktemp("hardware")
    done = ran("--dry", "--minutes", 20, "--out", folder, "--parts", ",".join(WRITTEN))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def content(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


@pytest.mark.slow
def test_every_part_writes_a_figure_or_a_reason(rehearsed: tuple[Path, str]) -> None:
    figures = content(rehearsed[0])["figures"]
    assert {each["part"] for each in figures} == set(WRITTEN)
    assert all(each["value"] is not None or each["facts"]["reason"] for each in figures)


@pytest.mark.slow
def test_nothing_goes_wrong_in_the_rehearsal(rehearsed: tuple[Path, str]) -> None:
    without = [each for each in content(rehearsed[0])["figures"] if each["value"] is None]
    assert not without


@pytest.mark.slow
def test_the_printed_lines_are_the_figures_of_the_file(rehearsed: tuple[Path, str]) -> None:
    folder, printed = rehearsed
    assert [json.loads(line) for line in printed.splitlines()] == content(folder)["figures"]


@pytest.mark.slow
def test_the_file_says_what_was_measured_on_what(rehearsed: tuple[Path, str]) -> None:
    known = content(rehearsed[0])
    assert known["schema_version"] == 1
    assert {"card", "versions", "commit", "dirty", "figures", "forecast"} <= set(known)
    assert set(known["forecast"]) == {
        "name",
        "memory_bytes",
        "training_flops",
        "sampling_flops",
        "launch_seconds",
    }


@pytest.mark.slow
def test_show_makes_a_table_of_the_file(rehearsed: tuple[Path, str]) -> None:
    shown = ran("--show", "--out", rehearsed[0])
    assert "| ceiling | product-bf16 |" in shown.stdout


def test_another_run_keeps_the_figures_of_the_parts_it_leaves_out(tmp_path: Path) -> None:
    machine = {"card": "a card", "commit": "abc"}
    for part in ("ceiling", "training"):
        CardFile(tmp_path, machine, [part]).add(Figure(part, "speed", 1.0, "images/s"))
    assert {each["part"] for each in content(tmp_path)["figures"]} == {"ceiling", "training"}


def test_the_forecast_takes_the_constants_that_figures_bring(tmp_path: Path) -> None:
    file = CardFile(tmp_path, {"card": "a card", "memory_bytes": 8}, ["training"])
    facts = {"forecast": {"training_flops": 5.0}}
    file.add(Figure("training", "speed", 1.0, "images/s", facts))
    forecast = content(tmp_path)["forecast"]
    assert (forecast["memory_bytes"], forecast["training_flops"]) == (8, 5.0)
    assert forecast["sampling_flops"] is None


def test_of_several_speeds_the_highest_is_forecast_with(tmp_path: Path) -> None:
    file = CardFile(tmp_path, {"card": "a card"}, ["sampling"])
    for speed in (2.0, 3.0, 1.0):
        facts = {"forecast": {"sampling_flops": speed}}
        file.add(Figure("sampling", "case", 1.0, "images/s", facts))
    assert content(tmp_path)["forecast"]["sampling_flops"] == 3.0


def test_a_constant_that_was_not_measured_has_a_reason(tmp_path: Path) -> None:
    file = CardFile(tmp_path, {"card": "a card"}, ["training", "sampling"])
    file.add(missing("sampling", "all", "out of memory: 2 GiB"))
    file.add(Figure("training", "launch", 1.0, "s", {"forecast": {"launch_seconds": 1.0}}))
    assert content(tmp_path)["unmeasured"] == {
        "training_flops": "the part training did not come to it",
        "sampling_flops": "out of memory: 2 GiB",
    }


def test_a_part_that_runs_out_of_memory_stops_no_later_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(context: Context) -> Iterator[Figure]:
        raise torch.OutOfMemoryError("CUDA out of memory")
        yield

    def works(context: Context) -> Iterator[Figure]:
        yield Figure("full", "case", 1.0, "images/s")

    monkeypatch.setitem(sys.modules, "card.training", SimpleNamespace(figures=fails))
    monkeypatch.setitem(sys.modules, "card.full", SimpleNamespace(figures=works))
    context = Context("cpu", True, tmp_path, tmp_path, Deadline(60))
    first, second = loaded().measured(context, ["training", "full"], context.deadline)
    assert first.facts["reason"].startswith("out of memory")
    assert second.value == 1.0


def test_ctrl_c_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(context: Context) -> Iterator[Figure]:
        yield Figure("ceiling", "first", 1.0, "TFLOP/s")
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "card.ceiling", SimpleNamespace(figures=stopped))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # other tests need theirs
    script = loaded()
    asked = script.parser().parse_args(["--dry", "--out", str(tmp_path), "--parts", "ceiling"])
    assert script.measure(asked, tmp_path / "files") == 130
    assert [each["name"] for each in content(tmp_path)["figures"]] == ["first"]
    said = capsys.readouterr().err
    assert "stopped by Ctrl-C" in said
    assert "for forecasts there is no sampling_flops" in said


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the script where no package is installed."""
    command = [sys.executable, "-S", "-I", str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_its_help_needs_no_package_and_lists_those_that_it_needs() -> None:
    done = bare("--help")
    assert done.returncode == 0
    for said in ("ruamel.yaml", "prodigyopt", "--minutes", "--dry"):
        assert said in done.stdout


def test_every_package_that_is_missing_is_named_at_once() -> None:
    done = bare("--dry")
    assert done.returncode == 2
    named = done.stderr.removeprefix("not here: ").partition(";")[0].split(", ")
    assert set(named) >= {"torch", "diffusers", "transformers", "ruamel.yaml", "scipy"}


@pytest.mark.slow
def test_an_error_in_one_configuration_is_a_figure_with_its_reason(tmp_path: Path) -> None:
    context = Context("cpu", True, tmp_path, tmp_path, Deadline(60))

    def fails() -> Iterator[Figure]:
        yield Figure("training", "first", 1.0, "images/s")
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    first, second = attempt(context, "training", "case", fails)
    assert first.value == 1.0
    assert second.value is None
    assert second.facts["reason"].startswith("out of memory: CUDA out of memory")


@pytest.mark.slow
def test_a_part_whose_time_is_over_says_so_and_the_next_one_runs(tmp_path: Path) -> None:
    def sleeps() -> Iterator[Figure]:
        time.sleep(30)
        yield Figure("training", "first", 1.0, "images/s")

    context = Context("cpu", True, tmp_path, tmp_path, Deadline(3))
    with context.deadline.enforced():
        (stopped,) = attempt(context, "training", "case", sleeps)
    assert "time of this part was over" in stopped.facts["reason"]
    (skipped,) = attempt(context, "training", "next", sleeps)
    assert "skipped" in skipped.facts["reason"]


def test_a_number_that_json_cannot_hold_is_written_as_a_word(tmp_path: Path) -> None:
    file = CardFile(tmp_path, {"card": "a card"}, ["training"])
    file.add(Figure("training", "speed", float("nan"), "images/s", {"all": [float("inf"), 1.0]}))
    (figure,) = content(tmp_path)["figures"]
    assert (figure["value"], figure["facts"]["all"]) == ("nan", ["inf", 1.0])


def test_the_arithmetic_of_a_lora_step_is_twice_a_forward_pass_and_a_little_more() -> None:
    train = Train.model_validate(LORA)
    counted, forecast = training_flops(train, "no/base"), forecast_flops(train, "no/base")
    assert forecast == pytest.approx(13.52e12, rel=0.001)
    assert forecast < counted < 1.1 * forecast

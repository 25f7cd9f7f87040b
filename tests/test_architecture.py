"""The house stands as it is drawn: arrows point down, and what is read at once stays short."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from running import ROOT

OURS = ("harness", "dashboard", "performance", "tools")


def sources(*folders: str) -> list[Path]:
    found = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(found) > 60
    return found


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in sources(*OURS):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node


def test_imports_point_down() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


def test_the_house_has_at_most_26_rooms_on_14_floors() -> None:
    """A room is a package or a module at the top of harness/, a floor a layer of the contract."""
    top = (ROOT / "harness").iterdir()
    rooms = {file.stem for file in top if file.suffix == ".py" or (file / "__init__.py").is_file()}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]
    assert layers["exhaustive"] is True
    assert len(layers["layers"]) <= 14
    named = {room for layer in layers["layers"] for room in layer.replace("|", ":").split(":")}
    assert {room.strip() for room in named} == rooms - {"__init__"}
    assert len(rooms - {"__init__"}) <= 26


def test_no_file_grows_past_a_page() -> None:
    long = {
        file.name: lines
        for file in sources("harness", "dashboard")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_no_function_is_longer_than_fifty_lines() -> None:
    long = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": lines
        for file, node in functions()
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > 50
    }
    assert long == {}


def test_no_function_takes_more_than_eight_parameters() -> None:
    """A command takes as many as it has options."""
    many = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": count
        for file, node in functions()
        if (count := len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)) > 8
        and "cli" not in file.relative_to(ROOT).parts
    }
    assert many == {}


def test_the_formatter_is_overruled_at_most_a_few_times() -> None:
    mark = "fmt: " + "skip"
    lines = [
        f"{file}:{number}"
        for file in sources(*OURS, "tests")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if mark in line
    ]
    assert len(lines) <= 5, lines


def test_pictures_are_opened_by_one_door() -> None:
    """`data/opening.py` says which formats are tried; one of Pillow's own list runs a program."""
    openers = {
        file.relative_to(ROOT).as_posix()
        for file in sources("harness", "dashboard", "tools")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.ImportFrom) and _opens_pictures(node)
    }
    assert openers == {"harness/data/opening.py"}


def _opens_pictures(node: ast.Attribute | ast.ImportFrom) -> bool:
    """Return whether code says `Image.open`, by any of the ways to import it."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "PIL.Image" and any(each.name == "open" for each in node.names)
    owner = node.value
    named = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
    return node.attr == "open" and named == "Image"


def test_no_page_names_a_machine_or_a_pickle() -> None:
    files = [
        file
        for folder in ("harness", "recipes", "prompts", "dashboard", "reports", "docs")
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


def test_strangers_words_reach_a_terminal_by_way_of_what_makes_them_harmless() -> None:
    """`say` and `Terminal` do; whoever prints by other means has to call `printable` himself."""
    doors = {
        ("cli/output.py", "print"): 2,
        ("pipeline/watch/bars.py", "print"): 1,
        ("pipeline/watch/bars.py", "Console"): 1,
        ("pipeline/stages/worker.py", "print"): 2,  # JSON for the process that started it
        ("delivery/service/run.py", "print"): 2,
        ("views/server.py", "print"): 1,
        ("views/site.py", "print"): 1,
    }
    found = Counter(
        (file.relative_to(ROOT / "harness").as_posix(), node.func.id)
        for file in sources("harness")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("print", "Console")
    )
    assert found == doors

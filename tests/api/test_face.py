"""`import harness`: the names it offers, and what it costs to import it."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.api.options import DEFAULTS, Options, workspace_of
from harness.errors import UsageError

FUNCTIONS = [name for name in harness.__all__ if inspect.isfunction(getattr(harness, name))]


def test_the_names_are_sorted_and_each_can_be_imported() -> None:
    assert harness.__all__ == sorted(harness.__all__)
    for name in harness.__all__:
        assert getattr(harness, name) is not None
        assert name in dir(harness)


def test_every_name_has_a_docstring() -> None:
    for name in harness.__all__:
        if name != "__version__":
            assert getattr(harness, name).__doc__, name


def test_no_public_name_is_missing_from_the_list() -> None:
    rooms = {each.name for each in pkgutil.iter_modules(harness.__path__)}
    others = {"annotations", "import_module", "TYPE_CHECKING", "Any"}
    public = {name for name in dir(harness) if not name.startswith("_")}
    assert public - rooms - others <= set(harness.__all__)


def test_no_name_hides_a_room() -> None:
    rooms = {each.name for each in pkgutil.iter_modules(harness.__path__)}
    assert len(rooms) > 15
    assert not rooms & set(harness.__all__)


def test_what_the_list_promises_to_type_checkers_is_what_is_imported() -> None:
    for room, names in harness._ROOMS.items():
        for name in names.split():
            module = sys.modules[getattr(harness, name).__module__]
            assert module.__name__.startswith("harness.")
            assert hasattr(sys.modules[room], name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = harness.rum  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_show_in_the_signature_and_every_parameter_is_bounded(name: str) -> None:
    shown = inspect.signature(getattr(harness, name)).parameters
    assert all(each.kind is not each.VAR_KEYWORD for each in shown.values()), name
    assert len([each for each in shown if each not in DEFAULTS]) <= 8


def test_the_options_have_a_default_each() -> None:
    assert list(DEFAULTS) == list(Options.__annotations__)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no option 'colour'"):
        workspace_of({"colour": "red"})  # type: ignore[typeddict-unknown-key]


def test_what_is_set_in_the_environment_is_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE", "REPORTS", "DEVICE", "EXECUTOR"):
        monkeypatch.setenv(f"HARNESS_{name}", name.lower())
    monkeypatch.setenv("HARNESS_BATCH", "3")
    monkeypatch.setenv("HARNESS_PROCESSES", "2")
    found = workspace_of({})
    assert (found.store, found.reports) == (Path("store"), Path("reports"))
    assert (found.device, found.executor) == ("device", "executor")
    assert (found.images_at_once, found.processes) == (3, 2)
    assert workspace_of({"batch": 5}).images_at_once == 5
    monkeypatch.setenv("HARNESS_BATCH", "many")
    with pytest.raises(UsageError, match="HARNESS_BATCH=many is no whole number"):
        workspace_of({})


def test_importing_harness_is_quick_and_loads_no_library() -> None:
    code = "import sys, harness; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "numpy", "pydantic", "pandas", "importlib.metadata"}
    ground = {"harness.errors", "harness.files", "harness.fingerprint"}
    assert {name for name in loaded if name.startswith("harness.")} <= ground
    ours, asyncios = (min(seconds_of(name) for _ in range(3)) for name in ("harness", "asyncio"))
    assert ours < max(0.060, 2 * asyncios), "on a slow machine asyncio is slow too"


def seconds_of(module: str) -> float:
    """Return what importing a module takes in a new process."""
    code = (
        f"import time; start = time.process_time(); import {module}; "
        "print(time.process_time() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)

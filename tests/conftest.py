"""What holds for every test: no model is fetched and no socket reaches out of this machine."""

from __future__ import annotations

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of several processes that wait for each other make all of them ten times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it in its workers
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import hypothesis
import pytest
import pytest_socket
from once import Once
from running import Command, House, Ran, harness

# Every machine tries the same examples, however slow it is. To look for new ones:
# HYPOTHESIS_PROFILE=explore pytest …
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

FIRST = (
    "tests/test_demo.py",
    "tests/pipeline/stages/test_pieces.py",
    "tests/pipeline/executors/test_cluster.py",
    "tests/pipeline/test_rehearsal.py",
    "tests/docs/test_pages.py",
    "tests/dashboard/test_browser.py",
    "tests/pipeline/test_run.py",
    "tests/training/test_loop.py",
    "tests/test_full_size.py",
    "tests/api/test_examples.py",
    "tests/cli/test_examples.py",
    "tests/dashboard/test_pages.py",
    "tests/metrics/test_agreement.py",
    "tests/metrics/test_sanity_card.py",
    "tests/test_scratch_repository.py",
    "tests/performance/test_gpu_dry.py",
    "tests/training/test_sharding.py",
)
"""The modules that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left alone with it at the end."""
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later search for garbage: one took half a second."""
    gc.collect()
    gc.freeze()


def _turn(item: pytest.Item) -> tuple[int, bool]:
    module = item.nodeid.split("::")[0]
    turn = FIRST.index(module) if module in FIRST else len(FIRST)
    return turn, item.get_closest_marker("slow") is None


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    """Bar all hosts but this one, whatever the command line bars."""
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def command() -> Command:
    """Run `harness …` in the folder with the small pages."""
    return harness


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once for all processes that share these tests."""
    root = tmp_path_factory.getbasetemp()
    return Once(root.parent if "PYTEST_XDIST_WORKER" in os.environ else root)


@pytest.fixture(scope="session")
def house(once: Once) -> House:
    """The tiny recipe and the bare base, run once for all tests that only look."""
    root = once("house", _run_tiny)
    return House(root / "store", root / "reports", Ran(0, (root / "out.json").read_text(), ""))


def _run_tiny(root: Path) -> None:
    ran = harness(
        *("run", "tiny", "pocket-base", "--benchmark", "tiny-v1"),
        *("--store", root / "store", "--reports", root / "reports", "--json"),
    )
    assert ran.code == 0, ran.err
    (root / "out.json").write_text(ran.out)

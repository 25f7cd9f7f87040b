"""What holds for every test: no model is fetched and no socket reaches out of this machine."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of several processes that wait for each other make all of them ten times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import pytest_socket
from running import Command, House, harness


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The tiny recipe and the bare base, run once for all tests that only look."""
    root = tmp_path_factory.mktemp("house")
    store, reports = root / "store", root / "reports"
    ran = harness(
        "run",
        "tiny",
        "pocket-base",
        "--benchmark",
        "tiny-v1",
        "--store",
        store,
        "--reports",
        reports,
        "--json",
    )
    assert ran.code == 0, ran.err
    return House(store, reports, ran)

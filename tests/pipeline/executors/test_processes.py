"""Workers of this machine, a thread each: every piece is done, and to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import FIXTURES, ROOT, SUPPORT, House

from harness.api.options import Workspace
from harness.errors import HarnessError
from harness.interfaces import PoolJob, Reply
from harness.pipeline.executors.processes import ProcessPool, busy_cores, free_cores
from harness.pipeline.request import requested
from harness.pipeline.run import Outcome, execute_all


@pytest.mark.parametrize(
    ("load", "cores", "workers"),
    [(0.2, 2, 2), (2.0, 2, 2), (9.0, 2, 2), (0.0, 1, 1), (0.0, 6, 6), (3.2, 6, 3), (0, 64, 8)],
)
def test_a_busy_machine_gets_fewer_workers_and_never_fewer_than_two(
    load: float, cores: int, workers: int
) -> None:
    assert free_cores(load, cores) == workers


def test_the_cores_that_are_busy_now_are_counted() -> None:
    assert 0 <= busy_cores(0.05) <= (os.cpu_count() or 1)


def opened(document: str) -> Any:
    """A job for workers: `die` kills its process, `fail` raises, `threads` counts torch's."""

    def piece(what: Any) -> Reply:
        import torch

        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "fail":
            raise ValueError("not like this")
        if what == "wait":
            time.sleep(60)
        return {"process": os.getpid(), "what": what, "threads": torch.get_num_threads()}

    return piece


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessPool]:
    here = [str(each) for each in (Path(__file__).parent, SUPPORT, ROOT)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))
    found = ProcessPool(2)
    yield found
    found.stop()


def done(pool: ProcessPool, pieces: list[Any]) -> dict[int, Reply]:
    found: dict[int, Reply] = {}

    def keep(number: int | None, reply: Reply) -> None:
        if number is not None:
            found[number] = reply

    pool.do(PoolJob("play", "test_processes:opened", "{}"), pieces, keep)
    return found


@pytest.mark.slow
def test_pieces_are_done_by_workers_with_one_thread_and_what_goes_wrong_is_told(
    pool: ProcessPool,
) -> None:
    found = done(pool, [*range(20), "fail"])
    assert [found[at]["what"] for at in range(20)] == list(range(20))
    assert {found[at]["threads"] for at in range(20)} == {1}
    assert 1 <= len({found[at]["process"] for at in range(20)}) <= 2
    assert "not like this" in found[20]["error"]
    lost = done(pool, ["die"])
    assert "is gone" in lost[0]["error"]
    assert "run again" in lost[0]["hint"]
    pool.stop()
    with pytest.raises(HarnessError, match="another step failed"):
        done(pool, ["wait"])


@pytest.mark.slow
def test_a_run_side_by_side_makes_the_bytes_of_one_thread(house: House, tmp_path: Path) -> None:
    threads = {each["provenance"].get("threads") for each in manifests(house.store).values()}
    if threads != {1}:
        pytest.skip("the tiny run had several threads: OMP_NUM_THREADS=1 gives it one")
    workspace = Workspace(tmp_path / "store", tmp_path / "reports", "cpu", quiet=True)
    pool, told = ProcessPool(2), list[Outcome]()
    settings = replace(workspace.settings(), executor=pool.run, together=True)
    with chdir(FIXTURES):
        plans = [requested(name, "tiny-v1").plan() for name in ("tiny", "pocket-base")]
        outcomes = execute_all(plans, settings, told=told.append)
    assert {each.result.recipe for each in told} == {"tiny", "pocket-base"}
    assert [each.result.recipe for each in outcomes] == ["tiny", "pocket-base"]
    made, alone = manifests(tmp_path / "store"), manifests(house.store)
    assert len(made) > 15
    assert {key: each["files"] for key, each in made.items()} == {
        key: alone[key]["files"] for key in made
    }
    facts = outcomes[0].result.provenance
    assert (facts["processes"], facts["threads"]) == (2, 1)


def manifests(store: Path) -> dict[str, Any]:
    found = (json.loads(file.read_text()) for file in store.glob("*/??/*/manifest.json"))
    return {each["key"]: each for each in found}

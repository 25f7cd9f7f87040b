"""A cluster of several machines, joined by its address: one of them goes, the work does not."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_socket
from running import SUPPORT, Command

from harness.interfaces import PoolJob, Reply
from harness.pipeline.executors.cluster import RayWorkerPool, connected
from harness.pipeline.executors.specs import Ray

pytestmark = pytest.mark.slow


def opened(document: str) -> Any:
    """A job whose pieces say on which machine they are, and end when one machine has gone."""
    folder = Path(json.loads(document)["folder"])

    def piece(what: Any) -> Reply:
        import ray

        node = ray.get_runtime_context().get_node_id()
        (folder / "begun" / f"{what}-{node}").touch()
        gone = folder / "gone"
        while not gone.exists() or gone.read_text() == node:  # a worker may outlive its machine
            time.sleep(0.02)
        return {"node": node}

    return piece


def test_a_machine_that_goes_takes_no_piece_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parent, SUPPORT))))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    here = {"object_store_memory": 80 * 1024**2}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **here}
    )
    machines = [cluster.add_node(num_cpus=1, **here) for _ in range(2)]
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    own = cluster.address.rpartition(":")[0]  # of this machine, by another name than localhost
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", own], allow_unix_socket=True)
    begun, found = tmp_path / "begun", dict[int, Reply]()
    begun.mkdir()
    gone = threading.Event()

    def on_reply(number: int | None, reply: Reply) -> None:
        if number is not None:
            found[number] = reply
        nodes = {file.name.partition("-")[2] for file in begun.iterdir()}
        if len(nodes) == 2 and not gone.is_set():
            gone.set()
            threading.Thread(target=remove).start()

    def remove() -> None:
        cluster.remove_node(machines[0], False)
        (tmp_path / "going").write_text(machines[0].node_id)
        (tmp_path / "going").rename(tmp_path / "gone")

    try:
        with connected(Ray()) as ray:
            pool = RayWorkerPool(ray, None)
            pool.do(
                PoolJob("play", "test_nodes:opened", json.dumps({"folder": str(tmp_path)})),
                list(range(8)),
                on_reply,
            )
            pool.stop()
    finally:
        cluster.shutdown()
    assert [reply["error"] for reply in found.values() if "error" in reply] == []
    assert gone.is_set()
    assert sorted(found) == list(range(8))
    assert len({each["node"] for each in found.values()}) == 1
    again = Counter(int(file.name.partition("-")[0]) for file in begun.iterdir())
    assert max(again.values()) == 2, "the piece of the machine that went was done once more"


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, command: Command) -> None:
    ran = command(
        *("run", "tiny", "--benchmark", "tiny-v1", "--executor", "ray"),
        *("--store", tmp_path / "s", "--reports", tmp_path / "r"),
        env={"RAY_ADDRESS": "127.0.0.1:1"},
    )
    assert ran.code == 1
    assert "there is no Ray cluster at 127.0.0.1:1" in ran.err.splitlines()[-1]

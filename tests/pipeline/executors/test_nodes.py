"""A cluster of several machines, joined by its address: one of them goes, the work does not."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from harness.interfaces import PoolJob, Reply
from harness.pipeline.executors.cluster import RayWorkerPool, connected
from harness.pipeline.executors.specs import Ray

pytestmark = pytest.mark.slow


def opened(document: str) -> Any:
    """A job whose pieces take a moment and say on which machine they were done."""
    folder = Path(json.loads(document)["folder"])

    def piece(what: Any) -> Reply:
        import ray

        time.sleep(0.3)
        node = ray.get_runtime_context().get_node_id()
        (folder / f"{what}-{node}").touch()
        return {"node": node}

    return piece


def test_a_machine_that_goes_takes_no_piece_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    here = {"object_store_memory": 80 * 1024**2}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **here}
    )
    machines = [cluster.add_node(num_cpus=1, **here) for _ in range(2)]
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    own = cluster.address.rpartition(":")[0]  # of this machine, by another name than localhost
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", own], allow_unix_socket=True)
    found: dict[int, Reply] = {}
    gone = threading.Event()

    def on_reply(number: int | None, reply: Reply) -> None:
        if number is not None:
            found[number] = reply
        if len({each["node"] for each in found.values()}) == 2 and not gone.is_set():
            gone.set()
            threading.Thread(target=cluster.remove_node, args=(machines[0], False)).start()

    try:
        with connected(Ray()) as ray:
            pool = RayWorkerPool(ray, None)
            pool.do(
                PoolJob("play", "test_nodes:opened", json.dumps({"folder": str(tmp_path)})),
                list(range(40)),
                on_reply,
            )
            pool.stop()
    finally:
        cluster.shutdown()
    assert gone.is_set()
    assert sorted(found) == list(range(40))
    done = {int(file.name.partition("-")[0]) for file in tmp_path.iterdir()}
    assert done == set(range(40))
    assert len({each["node"] for number, each in found.items() if number >= 35}) == 1

"""A Ray cluster of this machine: the same bytes as alone, whichever worker dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray_race
from running import FIXTURES, ROOT, SUPPORT

from harness.errors import HarnessError, UsageError
from harness.interfaces import PoolJob, Reply
from harness.pipeline.executors import cluster
from harness.pipeline.executors.cluster import RayWorkerPool, connected
from harness.pipeline.executors.specs import Ray

pytestmark = pytest.mark.slow


WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def opened(document: str) -> Any:
    """A job for workers: `die` kills its process as often as a file says, `fail` raises."""
    told = json.loads(document)
    folder = Path(told["folder"])
    (folder / f"opened-{os.getpid()}").touch()

    def piece(what: Any) -> Reply:
        deaths = len(list(folder.glob("died-*")))
        if what == "die" and deaths < told["deaths"]:
            (folder / f"died-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "fail":
            raise ValueError("not like this")
        while what == "slow" and not (folder / "go-on").exists():
            time.sleep(0.02)
        return {"process": os.getpid(), "what": what, "workspace": os.environ.get(WORKSPACE)}

    return piece


@pytest.fixture(scope="module")
def pool() -> Iterator[RayWorkerPool]:
    here = Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join(
        map(str, (here, SUPPORT, ROOT, ROOT / "performance"))
    )
    with connected(Ray(workers=2)) as ray:
        found = RayWorkerPool(ray, 2)
        yield found
        found.stop()


def job(folder: Path, deaths: int = 0) -> PoolJob:
    document = json.dumps({"folder": str(folder), "deaths": deaths})
    return PoolJob("play", "test_cluster:opened", document)


def done(pool: RayWorkerPool, work: PoolJob, pieces: list[Any]) -> dict[int, Reply]:
    found: dict[int, Reply] = {}
    pool.do(
        work,
        pieces,
        lambda number, reply: found.__setitem__(number, reply) if number is not None else None,
    )
    return found


def test_every_piece_is_done_once_by_workers_that_open_a_job_once(
    pool: RayWorkerPool, tmp_path: Path
) -> None:
    found = done(pool, job(tmp_path), list(range(40)))
    assert [found[at]["what"] for at in range(40)] == list(range(40))
    processes = {reply["process"] for reply in found.values()}
    assert len(list(tmp_path.glob("opened-*"))) == len(processes) <= 2


def test_a_piece_whose_worker_dies_is_done_by_another(pool: RayWorkerPool, tmp_path: Path) -> None:
    found = done(pool, job(tmp_path, deaths=2), [1, "die", 2, 3, 4])
    assert [found[at]["what"] for at in range(5)] == [1, "die", 2, 3, 4]
    assert len(list(tmp_path.glob("died-*"))) == 2


def test_a_piece_that_always_kills_its_worker_is_given_up_with_a_message(
    pool: RayWorkerPool, tmp_path: Path
) -> None:
    with pytest.raises(HarnessError, match="took 4 processes down with it"):
        done(pool, job(tmp_path, deaths=99), ["die"])
    assert len(done(pool, job(tmp_path), [1, 2])) == 2


def test_what_goes_wrong_inside_is_told(pool: RayWorkerPool, tmp_path: Path) -> None:
    found = done(pool, job(tmp_path), [1, "fail"])
    assert "not like this" in found[1]["error"]


def test_jobs_side_by_side_share_the_workers(pool: RayWorkerPool, tmp_path: Path) -> None:
    both: list[dict[int, Reply]] = []
    threads = [
        threading.Thread(target=lambda at=at: both.append(done(pool, job(tmp_path), [at] * 10)))
        for at in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(len(each) for each in both) == [10, 10]


def test_a_job_waits_patiently_for_a_busy_pool(
    pool: RayWorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    slow.mkdir()
    quick.mkdir()
    done(pool, job(quick), [1, 2])  # workers are there, whatever befell them before
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    busy = threading.Thread(target=done, args=(pool, job(slow), ["slow", "slow"]))
    busy.start()
    while not any(slow.glob("opened-*")):
        assert busy.is_alive()
        time.sleep(0.02)
    threading.Timer(2.0, (slow / "go-on").touch).start()
    assert sorted(done(pool, job(quick), [1, 2])) == [0, 1]
    busy.join(60)


def test_a_worker_starts_with_the_variables_that_cuda_reads_once(
    pool: RayWorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, ":4096:8")
    found = done(pool, job(tmp_path, deaths=2), ["die"])  # both workers of before die
    assert found[0]["workspace"] == ":4096:8"


def test_a_job_does_not_wait_for_ever_for_a_worker(
    pool: RayWorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with connected(Ray()) as ray:
        crowded = RayWorkerPool(ray, 1)
        with pytest.raises(HarnessError, match="no worker came to do play"):
            done(crowded, job(tmp_path), [1])
        crowded.stop()


def test_a_cluster_leaves_what_one_process_does_whichever_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`performance/ray_race.py` also runs one without kills, and one of two local processes."""
    ray_race.write_pages(tmp_path, 60)
    monkeypatch.chdir(tmp_path)
    trained, alone = tmp_path / "trained", tmp_path / "alone"
    ray_race.train(trained)
    shutil.copytree(trained, alone)
    ray_race.work(alone, "local", processes=1)
    lap = ray_race.lap(tmp_path, trained, "ray", ray_race.MOMENTS)
    assert len(lap.files) >= 10
    assert lap.killed >= 1
    assert lap.files == ray_race.made_by(alone)


def test_ctrl_c_stops_a_cluster_and_leaves_no_worker_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.cli",
            "run",
            "tiny",
            "--benchmark",
            "tiny-v1",
            "--executor",
            "ray",
            "--processes",
            "1",
            "--store",
            str(tmp_path / "store"),
            "--reports",
            str(tmp_path / "reports"),
        ],
        cwd=FIXTURES,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not any((tmp_path / "store").glob("work/*/scratch-progress.jsonl")):
        time.sleep(0.05)
        assert process.poll() is None
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("ray::" in name_of(each) for each in below)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(below, timeout=60)
    assert alive == []


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def test_workers_are_at_least_one() -> None:
    with pytest.raises((ValueError, UsageError)):
        Ray(workers=0)

"""A service under load: many requests at once, then a stop in the middle of them.

    python performance/serve_load.py [--requests 200]

It trains the pocket's smallest recipe where the store does not have it, serves its result, and
asks for all images at once; who is told to come again (429) does, after the time that was named.
Then it asks again and sends SIGTERM while images are drawn.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from PIL import Image

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"

QUEUE = 32
"""Fewer than there are requests, so that some must come again."""


@dataclass(frozen=True)
class Loaded:
    """What a load found."""

    requests: int
    answered: int
    distinct: int
    refused: int
    seconds: float
    p50: float
    p95: float
    images_a_second: float
    held: int
    """How many waited when the stop came."""
    stopped: dict[str, int]
    """What became of the requests that were under way when the service was told to stop."""
    stop_code: int
    stop_seconds: float


@contextmanager
def served(
    result: Path, store: Path, queue: int = QUEUE
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a result until the block ends; give its address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.cli",
            "serve",
            str(result),
            "--store",
            str(store),
            "--port",
            str(port),
            "--queue",
            str(queue),
            "--device",
            "cpu",
        ],
        cwd=FIXTURES,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    try:
        _until_ready(url, child)
        yield url, child
    finally:
        child.kill()
        child.wait()


def _until_ready(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert child.poll() is None, "the service ended before it was ready"
        with suppress(httpx.TransportError):  # it does not listen yet
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the service was not ready in time")


async def _one(client: httpx.AsyncClient, seed: int) -> tuple[float, int, bytes]:
    """Return an image, how long it took from the first request, and how often it was refused."""
    began, refused = time.monotonic(), 0
    while True:
        answer = await client.post("/images", json={"prompt": "1girl, smile", "seed": seed})
        if answer.status_code != 429:
            break
        refused += 1
        await asyncio.sleep(int(answer.headers["retry-after"]))
    assert answer.status_code == 200, answer.text
    Image.open(io.BytesIO(answer.content)).verify()
    return time.monotonic() - began, refused, answer.content


async def _all(url: str, count: int) -> list[tuple[float, int, bytes]]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        return await asyncio.gather(*(_one(client, seed) for seed in range(count)))


async def _stopped(
    url: str, count: int, child: subprocess.Popen[bytes]
) -> tuple[int, Counter[str]]:
    """Send requests and a stop, then one request more; return what the queue held, and answers."""
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:

        async def ask(seed: int) -> str:
            wish = {"prompt": "1boy", "seed": seed, "steps": 20}
            answer = await client.post("/images", json=wish)
            return str(answer.status_code)

        asked = [asyncio.create_task(ask(seed)) for seed in range(count)]
        while (held := _waiting((await client.get("/metrics")).text)) == 0:
            assert not all(each.done() for each in asked), "nobody had to wait"
            await asyncio.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        while (await client.get("/ready")).status_code == 200:
            await asyncio.sleep(0.01)
        late = await ask(count)
        return held, Counter([*await asyncio.gather(*asked), f"late {late}"])


def _waiting(metrics: str) -> int:
    (line,) = (line for line in metrics.splitlines() if line.startswith("harness_queue_length "))
    return int(line.split()[1])


def load(result: Path, store: Path, requests: int) -> Loaded:
    """Load a service that serves `result`, then stop it under load."""
    with served(result, store) as (url, child):
        began = time.monotonic()
        found = asyncio.run(_all(url, requests))
        seconds = time.monotonic() - began
        text = httpx.get(f"{url}/metrics").text
        assert f'harness_requests_total{{code="200"}} {requests}' in text, text
        stopping = time.monotonic()
        held, stopped = asyncio.run(_stopped(url, QUEUE // 2, child))
        code = child.wait(120)
        stop_seconds = time.monotonic() - stopping
    times = sorted(each[0] for each in found)
    return Loaded(
        requests=requests,
        answered=len(found),
        distinct=len({content for _, _, content in found}),
        refused=sum(refused for _, refused, _ in found),
        seconds=round(seconds, 2),
        p50=round(times[len(times) // 2], 2),
        p95=round(times[int(len(times) * 0.95)], 2),
        images_a_second=round(requests / seconds, 2),
        held=held,
        stopped=dict(sorted(stopped.items())),
        stop_code=code,
        stop_seconds=round(stop_seconds, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, reports = Path(folder) / "store", Path(folder) / "reports"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "harness.cli",
                "run",
                "tiny",
                "--benchmark",
                "tiny-v1",
                "--store",
                store,
                "--reports",
                reports,
            ],
            cwd=FIXTURES,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        print(
            json.dumps(asdict(load(reports / "tiny-v1/tiny.json", store, asked.requests)), indent=1)
        )


if __name__ == "__main__":
    main()

"""The service: what it draws, which requests it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from running import House

from harness.data.generation_metadata import decipher
from harness.delivery.service.app import BODY, Limits, State, app_of
from harness.delivery.service.hosts import Hosts
from harness.delivery.service.meters import Meters
from harness.delivery.service.model import Job, Model, load, model_of
from harness.delivery.service.queue import Closed, Queue
from harness.errors import UsageError
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Base
from harness.pages.stages import SampleSpec
from harness.pipeline.results.read import read_result
from harness.pipeline.store.local import Store

PROMPTS = (Prompt(id="a", text="a cat"),)
SPEC = SampleSpec(
    base=Base(model="pocket/sdxl"),
    pins={},
    prompts=PROMPTS,
    seeds=(1,),
    sampler=Sampler(steps=2, guidance=3.0, width=64, height=64, negative="blurry"),
)
LOCAL = Hosts.of("localhost")
JSON = {"content-type": "application/json"}


class Painter:
    """Draws grey for any order, when it may, and remembers what came together."""

    def __init__(self) -> None:
        self.batches: list[list[Job]] = []
        self.may = threading.Event()
        self.may.set()

    def draw(self, jobs: Sequence[Job]) -> list[Any]:
        self.batches.append(list(jobs))
        self.may.wait(60)
        if any(job.text == "broken" for job in jobs):
            raise RuntimeError("somewhere inside")
        return [None if job.text == "nan" else _grey(job) for job in jobs]


def _grey(job: Job) -> Any:
    shape = (job.sampler.height, job.sampler.width, 3)
    return np.full(shape, job.seed % 256, np.uint8)


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
def state(painter: Painter) -> State:
    queue = Queue(limit=4, batch=3)
    queue.serve(painter.draw)
    return State(Model("ink", SPEC, {}), queue, Meters(), Limits(side=128, steps=9), lambda: True)


Ask = Callable[..., Any]


def together(state: State, *requests: Any, **headers: str) -> list[httpx.Response]:
    """Return the answers to requests that are posted at once; a string is a path to get."""

    async def post() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app_of(state, LOCAL))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await asyncio.gather(*(_asked(client, asked, headers) for asked in requests))

    return asyncio.run(post())


async def _asked(client: httpx.AsyncClient, asked: Any, headers: dict[str, str]) -> httpx.Response:
    if isinstance(asked, str):
        return await client.get(asked, headers=headers)
    if isinstance(asked, bytes):
        return await client.post("/images", content=asked, headers=JSON | headers)
    return await client.post("/images", json=asked, headers=headers)


def draw_when(painter: Painter, ready: Callable[[], bool]) -> None:
    """Let the painter begin once all is as a test wants it, however long requests take."""
    painter.may.clear()

    def wait() -> None:
        while not ready():
            time.sleep(0.01)
        painter.may.set()

    threading.Thread(target=wait, daemon=True).start()


def test_an_image_says_what_it_was_asked_for(state: State) -> None:
    (answer,) = together(state, {"prompt": "a dog, running", "seed": 7, "steps": 3})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (64, 64)
    assert image.getpixel((0, 0)) == (7, 7, 7)
    read = decipher(image.info)
    assert (read.text, read.seed) == ("a dog, running", 7)
    assert "Steps: 3" in image.info["parameters"]
    assert "Negative prompt: blurry" in image.info["parameters"]


def test_json_is_given_to_a_client_that_accepts_it(state: State) -> None:
    (answer,) = together(state, {"prompt": "a dog", "seed": 3}, accept="application/json")
    document = answer.json()
    assert document["seed"] == 3
    assert document["steps"] == 2
    assert Image.open(io.BytesIO(base64.b64decode(document["image"]))).size == (64, 64)


def test_a_seed_that_was_not_given_is_returned(state: State) -> None:
    answers = together(state, {"prompt": "a dog"}, {"prompt": "a dog"})
    assert len({answer.headers["x-seed"] for answer in answers}) == 2


def test_a_prompt_of_the_benchmark_is_drawn_from_its_own_noise(
    state: State, painter: Painter
) -> None:
    together(state, {"prompt": "a cat", "seed": 1}, {"prompt": "another", "seed": 1})
    ids = {job.text: job.prompt_id for batch in painter.batches for job in batch}
    assert ids["a cat"] == "a"
    assert len(ids["another"]) == 16


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"prompt": "x", "width": 256}, 422, "no side over 128"),
        ({"prompt": "x", "height": 60}, 422, "height: Input should be a multiple of 8"),
        ({"prompt": "x", "steps": 10}, 422, "no more than 9"),
        ({"prompt": "x", "steps": 0}, 422, "steps"),
        ({"prompt": "x", "seed": -1}, 422, "seed"),
        ({"prompt": "x", "seed": 2**63}, 422, "seed"),
        ({"prompt": "x" * 2001}, 422, "longer than 2000 letters"),
        ({"prompt": "x", "negative": "x" * 2001}, 422, "longer than 2000 letters"),
        ({"prompt": ""}, 422, "prompt"),
        ({"prompt": 3}, 422, "prompt"),
        ({"prompt": "x", "file": "/etc/passwd"}, 422, "file: Extra inputs are not permitted"),
        ({}, 422, "prompt: Field required"),
        (b"no json", 422, "Invalid JSON"),
        (b'{"prompt": "x", "guidance": NaN}', 422, ""),
        (b" " * (BODY + 1), 413, "larger than"),
        ({"prompt": "nan"}, 500, "not finite"),
        ({"prompt": "broken"}, 500, "the image could not be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_message(
    asked: Any, code: int, says: str, state: State
) -> None:
    (answer,) = together(state, asked)
    assert answer.status_code == code
    assert says in answer.json()["error"]
    assert "somewhere inside" not in answer.text


def test_a_body_that_does_not_come_is_waited_for_no_longer() -> None:
    limits = Limits(seconds=0.1)
    state = State(Model("ink", SPEC, {}), Queue(2, 1), Meters(), limits, lambda: True)

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(20)

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(state, LOCAL))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/images", content=half(), headers=JSON)

    answer = asyncio.run(post())
    assert answer.status_code == 408
    assert answer.json()["error"] == "the body did not come within 0.1 s"
    assert answer.headers["connection"] == "close"


def test_another_content_type_is_refused_so_that_no_foreign_page_can_post(state: State) -> None:
    (answer,) = together(state, b'{"prompt": "x"}', **{"content-type": "text/plain"})
    assert answer.status_code == 415


def test_a_foreign_host_name_is_refused(state: State) -> None:
    (answer,) = together(state, "/health", host="evil.example")
    assert answer.status_code == 400


def test_a_request_that_another_page_sends_is_refused(state: State) -> None:
    (answer,) = together(state, {"prompt": "x"}, origin="http://evil.example")
    assert answer.status_code == 403


def test_jobs_with_the_same_sampler_are_drawn_together(state: State, painter: Painter) -> None:
    draw_when(painter, lambda: len(state.queue) + sum(map(len, painter.batches)) == 4)
    requests = [{"prompt": "x", "seed": seed, "steps": 2 + seed % 2} for seed in range(4)]
    assert {each.status_code for each in together(state, *requests)} == {200}
    for batch in painter.batches:
        assert len({job.sampler for job in batch}) == 1
        assert len(batch) <= 3
    assert len(painter.batches) < 4


def test_past_the_queue_comes_429_with_a_time_to_come_again(state: State, painter: Painter) -> None:
    draw_when(painter, lambda: 'code="429"' in state.meters.text(0))
    answers = together(state, *({"prompt": "x", "seed": seed} for seed in range(12)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 429}
    assert codes.count(200) >= 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert "the queue is full" in refused.json()["error"]


def test_a_closed_queue_draws_its_jobs_and_takes_no_more(state: State, painter: Painter) -> None:
    painter.may.clear()
    kept = [state.queue.join(Job("a", seed, "x", SPEC.sampler)) for seed in range(3)]
    state.queue.close()
    refused, ready = together(state, {"prompt": "late"}, "/ready")
    assert refused.status_code == ready.status_code == 503
    assert not state.queue.drain(0.05)
    painter.may.set()
    assert state.queue.drain(60)
    assert all(each.done() for each in kept)


def test_an_abandoned_queue_says_why() -> None:
    queue = Queue(2, 1)
    waiting = queue.join(Job("a", 1, "x", SPEC.sampler))
    queue.abandon("there are no weights")
    for late in (waiting.result, lambda: queue.join(Job("a", 2, "x", SPEC.sampler))):
        with pytest.raises(Closed, match="there are no weights"):
            late()
    assert queue.drain(0)


def test_health_readiness_and_numbers_are_told(painter: Painter) -> None:
    waiting = State(Model("ink", SPEC, {}), Queue(2, 1), Meters(), Limits(), lambda: False)
    health, ready = together(waiting, "/health", "/ready")
    assert (health.status_code, ready.status_code) == (200, 503)
    waiting.queue.serve(painter.draw)
    together(waiting, {"prompt": "x"}, {"prompt": ""})
    (metrics,) = together(waiting, "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = metrics.text.splitlines()
    assert 'harness_requests_total{code="200"} 1' in lines
    assert 'harness_requests_total{code="422"} 1' in lines
    assert 'harness_image_seconds_bucket{le="+Inf"} 1' in lines
    assert "harness_image_seconds_count 1" in lines
    assert "harness_queue_length 0" in lines


def test_the_histogram_adds_up_from_bound_to_bound() -> None:
    meters = Meters()
    for seconds in (0.05, 0.1, 0.3, 700.0):
        meters.answered(200, seconds)
    meters.answered(429, 0.0)
    lines = meters.text(3).splitlines()
    assert 'harness_image_seconds_bucket{le="0.1"} 2' in lines
    assert 'harness_image_seconds_bucket{le="0.5"} 3' in lines
    assert 'harness_image_seconds_bucket{le="120.0"} 3' in lines
    assert 'harness_image_seconds_bucket{le="+Inf"} 4' in lines
    assert "harness_image_seconds_sum 700.450000" in lines


def test_the_page_comes_and_the_paths_are_not_published(state: State) -> None:
    page, *hidden = together(state, "/", "/docs", "/redoc", "/openapi.json")
    assert page.status_code == 200
    assert "One prompt, one image" in page.text
    assert [each.status_code for each in hidden] == [404, 404, 404]


def test_a_service_that_never_got_its_weights_keeps_its_queue(painter: Painter) -> None:
    queue = Queue(2, 1)
    waiting = queue.join(Job("a", 1, "x", SPEC.sampler))
    time.sleep(0.02)
    assert not waiting.done()
    queue.serve(painter.draw)
    assert waiting.result(60).shape == (64, 64, 3)


@pytest.mark.slow
def test_a_result_is_served_as_it_was_judged(house: House) -> None:
    result, store = house.reports / "tiny-v1" / "tiny.json", Store(house.store)
    model = model_of(result, None, None, store)
    sampler, seeds = model.spec.sampler, model.spec.seeds
    jobs = [
        Job(model.prompt_id(prompt.text), seed, prompt.text, sampler)
        for prompt in model.spec.prompts
        for seed in seeds
    ][:16]
    images = store.find(read_result(result).keys["sample"])
    assert images is not None
    judged = [
        np.asarray(Image.open(images / "images" / f"{each.prompt_id}_{each.seed}.png"))
        for each in jobs
    ]
    draw = load(model, "cpu")
    assert np.array_equal(np.stack(draw(jobs)), np.stack(judged))
    alone = np.stack([draw([job])[0] for job in jobs[:4]]).astype(int)
    assert np.abs(alone - np.stack(judged[:4])).max() <= 1  # other company, other rounding


def test_an_adapter_needs_its_base(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --base"):
        model_of(tmp_path / "ink.safetensors", None, None, Store(tmp_path))

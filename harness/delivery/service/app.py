"""The HTTP side of the service: what a request may ask, and how it is answered."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import Field, ValidationError

from harness.delivery.service.hosts import Hosts, KnownHosts
from harness.delivery.service.meters import Meters
from harness.delivery.service.model import Job, Model
from harness.delivery.service.queue import Closed, Full, Queue
from harness.errors import HarnessError
from harness.interfaces import Page
from harness.pages.benchmark import Sampler

BODY = 64 * 1024
"""Bytes that the body of a request may have."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    side: int = 1536
    steps: int = 60
    letters: int = 2000
    seconds: float = 10.0
    """How long its body may take to arrive."""


class ImageRequest(Page):
    """One image, as a client asks for it; what is left out is as in the benchmark."""

    prompt: str = Field(min_length=1)
    seed: Seed | None = None
    negative: str | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    guidance: Annotated[float, Field(ge=0, le=50)] | None = None
    width: Annotated[int, Field(ge=32, multiple_of=8)] | None = None
    height: Annotated[int, Field(ge=32, multiple_of=8)] | None = None


class Refused(HarnessError):
    """A request that cannot be answered, and its HTTP code."""

    def __init__(self, code: int, what: str, wait: int | None = None) -> None:
        super().__init__(what)
        self.code, self.wait = code, wait


@dataclass(frozen=True)
class State:
    """Everything that an answer needs."""

    model: Model
    queue: Queue
    meters: Meters
    limits: Limits
    is_ready: Callable[[], bool]


def app_of(state: State, hosts: Hosts) -> FastAPI:
    """Return the service: images, health, metrics, and a page to try it."""
    app = FastAPI(title="harness", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(KnownHosts, hosts=hosts)

    @app.post("/images")
    async def images(request: Request) -> Response:
        return await _timed(state, request, _image)

    @app.get("/health")
    async def health() -> Response:
        return _json(200, {"status": "up"})

    @app.get("/ready")
    async def readiness() -> Response:
        ready = state.is_ready() and not state.queue.is_closed
        return _json(200 if ready else 503, {"ready": ready, "model": state.model.name})

    @app.get("/metrics")
    async def metrics() -> Response:
        text = state.meters.text(len(state.queue))
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.get("/")
    async def page() -> Response:
        text = files("harness.delivery.service").joinpath("page.html").read_bytes()
        return Response(
            text,
            media_type="text/html; charset=utf-8",
            headers={
                "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src blob:"
            },
        )

    return app


def _json(code: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(document), code, headers, "application/json")


Answer = Callable[[State, Request], Awaitable[Response]]


async def _timed(state: State, request: Request, answer: Answer) -> Response:
    """Answer, turn refusals into codes, and count both."""
    began = time.monotonic()
    try:
        response = await answer(state, request)
    except Refused as error:
        headers = {} if error.wait is None else {"Retry-After": str(error.wait)}
        if error.code == 408:
            headers["Connection"] = "close"  # the rest of this body may still arrive
        response = _json(error.code, {"error": error.what}, headers)
    except Exception as error:
        what = error.what if isinstance(error, HarnessError) else "the image could not be drawn"
        response = _json(500, {"error": what})
    state.meters.answered(response.status_code, time.monotonic() - began)
    return response


async def _image(state: State, request: Request) -> Response:
    asked = await _image_request(request, state.limits.seconds)
    _check_limits(asked, state.limits)
    sampler = _sampler(state.model.spec.sampler, asked)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    job = Job(state.model.prompt_id(asked.prompt), seed, asked.prompt, sampler)
    try:
        pixels = await asyncio.wrap_future(state.queue.join(job))
    except Full as error:
        raise Refused(429, str(error), error.seconds) from error
    except Closed as error:
        raise Refused(503, str(error), 5) from error
    png = _png(pixels, job, state.model)
    if "application/json" in request.headers.get("accept", ""):
        document = {"image": base64.b64encode(png).decode(), "seed": seed, **_settings(job)}
        return _json(200, document)
    return Response(png, media_type="image/png", headers={"X-Seed": str(seed)})


async def _image_request(request: Request, seconds: float) -> ImageRequest:
    """Return what the body of a request asks for, if it arrives in time."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "the body must be application/json")
    try:
        async with asyncio.timeout(seconds):
            body = await _body(request)
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {seconds:g} s") from error
    try:
        return ImageRequest.model_validate_json(body)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise Refused(422, "; ".join(problems)) from error


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            raise Refused(413, f"the body is larger than {BODY} bytes")
    return body


def _check_limits(asked: ImageRequest, limits: Limits) -> None:
    """Refuse a request that is too large for this service."""
    if max(len(asked.prompt), len(asked.negative or "")) > limits.letters:
        raise Refused(422, f"prompt: longer than {limits.letters} letters")
    if max(asked.width or 0, asked.height or 0) > limits.side:
        raise Refused(422, f"width, height: no side over {limits.side}")
    if (asked.steps or 0) > limits.steps:
        raise Refused(422, f"steps: no more than {limits.steps}")


def _sampler(sampler: Sampler, asked: ImageRequest) -> Sampler:
    fields = ("negative", "steps", "guidance", "width", "height")
    values = {name: getattr(asked, name) for name in fields}
    given = {name: value for name, value in values.items() if value is not None}
    return sampler.model_copy(update=given)


def _settings(job: Job) -> dict[str, Any]:
    sampler = job.sampler
    return {
        "prompt": job.text,
        "negative": sampler.negative,
        "steps": sampler.steps,
        "guidance": sampler.guidance,
        "width": sampler.width,
        "height": sampler.height,
        "scheduler": sampler.scheduler,
    }


def _png(pixels: Any, job: Job, model: Model) -> bytes:
    """Return the PNG, with its settings in the text format that other tools read."""
    sampler, facts = job.sampler, PngInfo()
    negative = f"\nNegative prompt: {sampler.negative}" if sampler.negative else ""
    facts.add_text(
        "parameters",
        f"{job.text}{negative}\nSteps: {sampler.steps}, Sampler: {sampler.scheduler}, "
        f"CFG scale: {sampler.guidance:g}, Seed: {job.seed}, "
        f"Size: {sampler.width}x{sampler.height}, Model: {model.name}",
    )
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=facts)
    return buffer.getvalue()

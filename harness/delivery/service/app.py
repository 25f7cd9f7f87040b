"""HTTP before the queue: what may be asked, and how it is answered."""

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
from starlette.middleware.trustedhost import TrustedHostMiddleware

from harness.delivery.service.line import Closed, Full, Line
from harness.delivery.service.meters import Meters
from harness.delivery.service.model import Model, Order
from harness.errors import HarnessError
from harness.interfaces import Page
from harness.pages.benchmark import Sampler

BODY = 64 * 1024
"""Bytes that a request may have."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    side: int = 1536
    steps: int = 60
    letters: int = 2000
    seconds: float = 10.0
    """Until its body must be there."""


class Wish(Page):
    """One image, as a client asks for it; what is left out is as the model is judged."""

    prompt: str = Field(min_length=1)
    seed: Seed | None = None
    negative: str | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    guidance: Annotated[float, Field(ge=0, le=50)] | None = None
    width: Annotated[int, Field(ge=32, multiple_of=8)] | None = None
    height: Annotated[int, Field(ge=32, multiple_of=8)] | None = None


class Refused(HarnessError):
    """A request that cannot be answered, and the code that says so."""

    def __init__(self, code: int, what: str, wait: int | None = None) -> None:
        super().__init__(what)
        self.code, self.wait = code, wait


@dataclass(frozen=True)
class Desk:
    """Everything that an answer needs."""

    model: Model
    line: Line
    meters: Meters
    limits: Limits
    is_ready: Callable[[], bool]


def app_of(desk: Desk, hosts: list[str]) -> FastAPI:
    """Return the service: images, how it is, and a page to try it on."""
    app = FastAPI(title="harness", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    @app.post("/images")
    async def images(request: Request) -> Response:
        return await _timed(desk, request, _image)

    @app.get("/health")
    async def health() -> Response:
        return _said(200, {"status": "up"})

    @app.get("/ready")
    async def ready() -> Response:
        there = desk.is_ready() and not desk.line.is_closed
        return _said(200 if there else 503, {"ready": there, "model": desk.model.name})

    @app.get("/metrics")
    async def metrics() -> Response:
        text = desk.meters.text(len(desk.line))
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


def _said(code: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(document), code, headers, "application/json")


Answer = Callable[[Desk, Request], Awaitable[Response]]


async def _timed(desk: Desk, request: Request, answer: Answer) -> Response:
    """Answer, turn refusals into codes, and count both."""
    began = time.monotonic()
    try:
        response = await answer(desk, request)
    except Refused as error:
        headers = {} if error.wait is None else {"Retry-After": str(error.wait)}
        if error.code == 408:
            headers["Connection"] = "close"  # what comes after this belongs to the same body
        response = _said(error.code, {"error": error.what}, headers)
    except Exception as error:
        what = error.what if isinstance(error, HarnessError) else "the image could not be drawn"
        response = _said(500, {"error": what})
    desk.meters.answered(response.status_code, time.monotonic() - began)
    return response


async def _image(desk: Desk, request: Request) -> Response:
    wish = await _wish(request, desk.limits.seconds)
    _limited(wish, desk.limits)
    sampler = _sampler(desk.model.spec.sampler, wish)
    seed = secrets.randbelow(2**31) if wish.seed is None else wish.seed
    order = Order(desk.model.prompt_id(wish.prompt), seed, wish.prompt, sampler)
    try:
        pixels = await asyncio.wrap_future(desk.line.join(order))
    except Full as error:
        raise Refused(429, str(error), error.seconds) from error
    except Closed as error:
        raise Refused(503, str(error), 5) from error
    png = _png(pixels, order, desk.model)
    if "application/json" in request.headers.get("accept", ""):
        document = {"image": base64.b64encode(png).decode(), "seed": seed, **_told(order)}
        return _said(200, document)
    return Response(png, media_type="image/png", headers={"X-Seed": str(seed)})


async def _wish(request: Request, seconds: float) -> Wish:
    """Return what a request's body asks for, if it comes in time."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "the body must be application/json")
    try:
        async with asyncio.timeout(seconds):
            body = await _body(request)
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {seconds:g} s") from error
    try:
        return Wish.model_validate_json(body)
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise Refused(422, "; ".join(said)) from error


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            raise Refused(413, f"the body is larger than {BODY} bytes")
    return body


def _limited(wish: Wish, limits: Limits) -> None:
    """Refuse what is too large for this service."""
    if max(len(wish.prompt), len(wish.negative or "")) > limits.letters:
        raise Refused(422, f"prompt: longer than {limits.letters} letters")
    if max(wish.width or 0, wish.height or 0) > limits.side:
        raise Refused(422, f"width, height: no side over {limits.side}")
    if (wish.steps or 0) > limits.steps:
        raise Refused(422, f"steps: no more than {limits.steps}")


def _sampler(sampler: Sampler, wish: Wish) -> Sampler:
    fields = ("negative", "steps", "guidance", "width", "height")
    asked = {name: value for name in fields if (value := getattr(wish, name)) is not None}
    return sampler.model_copy(update=asked)


def _told(order: Order) -> dict[str, Any]:
    sampler = order.sampler
    return {
        "prompt": order.text,
        "negative": sampler.negative,
        "steps": sampler.steps,
        "guidance": sampler.guidance,
        "width": sampler.width,
        "height": sampler.height,
        "scheduler": sampler.scheduler,
    }


def _png(pixels: Any, order: Order, model: Model) -> bytes:
    """Return the PNG, with what made it in the words that other tools read."""
    sampler, facts = order.sampler, PngInfo()
    negative = f"\nNegative prompt: {sampler.negative}" if sampler.negative else ""
    facts.add_text(
        "parameters",
        f"{order.text}{negative}\nSteps: {sampler.steps}, Sampler: {sampler.scheduler}, "
        f"CFG scale: {sampler.guidance:g}, Seed: {order.seed}, "
        f"Size: {sampler.width}x{sampler.height}, Model: {model.name}",
    )
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=facts)
    return buffer.getvalue()

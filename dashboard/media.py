"""Pictures and weights over HTTP, at addresses that name their content: browsers keep them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard import session
from harness.views import pictures
from harness.views.pictures import COVER, SMALL, WHOLE, Served

KEPT = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
BLIND = "/blind"
_blinds: OrderedDict[str, str] = OrderedDict()
_MOST = 4096


def blind(address: str) -> str:
    """Return an address that does not tell which result its picture is of."""
    token = secrets.token_urlsafe(12)
    _blinds[token] = address
    while len(_blinds) > _MOST:
        _blinds.popitem(last=False)
    return f"{BLIND}/{token}"


def routes() -> list[BaseRoute]:
    return [
        Route(f"{SMALL}/{{path:path}}", small),
        Route(f"{WHOLE}/{{path:path}}", whole),
        Route(f"{BLIND}/{{token}}", unseen),
    ]


def small(request: Request) -> Response:
    path = request.path_params["path"]
    kept = KEPT if not path.endswith(f"/{COVER}") else KEPT | {"Cache-Control": "max-age=60"}
    return _shown(_small(path), kept)


def whole(request: Request) -> Response:
    return _shown(pictures.serve_full(session.index(), request.path_params["path"]))


def unseen(request: Request) -> Response:
    address = _blinds.get(request.path_params["token"], "")
    return _shown(pictures.at_address(session.index(), address))


def _small(path: str) -> Served | None:
    return pictures.serve_small(session.index(), path)


def _shown(served: Served | None, headers: Mapping[str, str] = KEPT) -> Response:
    if served is None:
        return Response("no such picture", 404, media_type="text/plain")
    if served.file is not None:
        return FileResponse(served.file, media_type=served.media_type, headers=headers)
    return Response(served.data, media_type=served.media_type, headers=dict(headers))

"""Streamlit's own scripts, styles and fonts: out of memory, and named before a browser asks.

A browser learns of a widget's script when the server sends that widget, and of what the script
imports when it has arrived. So a view loaded link by link. Here the page itself names them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from harness.delivery.service.hosts import App, Receive, Scope, Send

FOLDER = Path(streamlit.__file__).parent / "static"
PARTS = (
    "BidiComponent",
    "Button",
    "ButtonGroup",
    "DownloadButton",
    "Html",
    "Multiselect",
    "Selectbox",
    "TextInput",
)
"""What the leaderboard, the first view, is made of; other views have most of it too."""
LARGEST = 2_000_000
"""Bytes of the largest file that is kept in memory."""
PAGE = "index.html"
KEPT = {"Cache-Control": "public, immutable, max-age=31536000"}
"""The name of each of these files holds its digest."""


class Frontend:
    """Answer for Streamlit's files, and name to a browser with the page what its parts need."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._files = {f"/{name}": file for name, file in files(FOLDER)}
        self._links = ", ".join(f"</{name}>; rel=modulepreload" for name in preloads(FOLDER))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        file = self._files.get(scope["path"])
        if file is not None and not _asks_for_a_part(scope):
            kind = guess_type(file.name)[0] or "application/octet-stream"
            return await Response(_read(file), headers=KEPT, media_type=kind)(scope, receive, send)

        async def named(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and self._links:
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("Link", self._links)
            await send(message)

        await self.app(scope, receive, named)


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and place of every file that may be kept in memory."""
    for file in sorted((folder / "static").rglob("*")):
        if file.is_file() and file.stat().st_size <= LARGEST:
            yield file.relative_to(folder).as_posix(), file


def preloads(folder: Path, parts: Sequence[str] = PARTS) -> list[str]:
    """Return the scripts that some parts need, with all that these import, beyond the page's own.

    Without a manifest, as another Streamlit may have none, there are none.
    """
    file = folder / "manifest.json"
    if not file.is_file():
        return []
    manifest = json.loads(file.read_text(encoding="utf-8"))
    roots = [key for key, each in manifest.items() if each.get("name") in parts]
    there = _reached(manifest, [PAGE])
    return [manifest[key]["file"] for key in _reached(manifest, roots) if key not in there]


def _reached(manifest: Mapping[str, Any], roots: Sequence[str]) -> list[str]:
    """Return the entries that some entries import, however far away, each once."""
    found, waiting = dict.fromkeys(roots), [*roots]
    while waiting:
        for key in manifest.get(waiting.pop(), {}).get("imports", ()):
            if key not in found:
                found[key] = None
                waiting.append(key)
    return [key for key in found if key in manifest]


def _asks_for_a_part(scope: Scope) -> bool:
    return any(name == b"range" for name, _ in scope["headers"])


@cache
def _read(file: Path) -> bytes:
    return file.read_bytes()

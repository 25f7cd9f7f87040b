"""Streamlit's own files: out of memory, and named with the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("streamlit")

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from dashboard import frontend
from dashboard.frontend import FOLDER, PARTS, Frontend, preloads


def behind(asked: list[str]) -> TestClient:
    """Return a visitor of an app behind the frontend, which notes what it is asked for."""

    def answer(request: Request) -> Response:
        asked.append(request.url.path)
        page = HTMLResponse("<html></html>")
        return page if request.url.path == "/" else PlainTextResponse("from the app")

    routes = [Route("/{path:path}", answer)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Frontend)]))


def test_every_part_of_the_first_view_is_a_script_of_the_installed_streamlit() -> None:
    scripts = preloads(FOLDER)
    there = {Path(script).name.split(".")[0] for script in scripts}
    assert set(PARTS) <= there
    assert all((FOLDER / script).is_file() for script in scripts)


def test_the_page_names_what_its_parts_import_and_not_what_it_loads_itself(tmp_path: Path) -> None:
    def entry(name: str, imports: Sequence[str] = ()) -> dict[str, object]:
        return {"name": name, "file": f"static/{name}.js", "imports": [*imports]}

    manifest = {
        "index.html": entry("index", ["react"]),
        "react": entry("react"),
        "table": entry("Table", ["react", "cells"]),
        "cells": entry("cells", ["lines"]),
        "lines": entry("lines", ["cells"]),
        "other": entry("Other"),
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert preloads(tmp_path, ["Table"]) == [f"static/{n}.js" for n in ("Table", "cells", "lines")]
    assert preloads(tmp_path / "elsewhere", ["Table"]) == []


def test_a_file_is_read_once_and_the_app_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    script, read = preloads(FOLDER)[0], []
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: read.append(file) or plain(file))
    frontend._read.cache_clear()
    asked: list[str] = []
    visitor = behind(asked)
    answers = [visitor.get(f"/{script}") for _ in range(3)]
    assert {each.content for each in answers} == {plain(FOLDER / script)}
    assert answers[0].headers["content-type"].startswith("text/javascript")
    assert "immutable" in answers[0].headers["cache-control"]
    assert read == [FOLDER / script]
    assert asked == []


def test_what_is_no_file_of_streamlit_is_left_to_the_app() -> None:
    asked: list[str] = []
    visitor, script = behind(asked), preloads(FOLDER)[0]
    paths = ["/static/js/none.js", "/static/../manifest.json", "/index.html", "/static/js"]
    for path in paths:
        assert visitor.get(path).text == "from the app", path
    assert visitor.get(f"/{script}", headers={"Range": "bytes=0-9"}).text == "from the app"
    assert len(asked) == len(paths) + 1


def test_pages_alone_name_scripts() -> None:
    visitor = behind([])
    named = visitor.get("/").headers["link"].split(", ")
    assert named == [f"</{script}>; rel=modulepreload" for script in preloads(FOLDER)]
    assert "link" not in visitor.get("/picture").headers

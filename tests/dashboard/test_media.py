"""Pictures over HTTP: kept for good by browsers, inert, and blind where they should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import media, session
from harness.views import pictures


@pytest.fixture
def client(reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("HARNESS_REPORTS", str(reports))
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    with TestClient(Starlette(routes=media.routes())) as client:
        yield client


def first_address() -> str:
    entries = session.index().find("pocket-v1/pocket-ninja")
    return pictures.small_address(entries, session.index().shots(entries)[0]) or ""


def test_a_picture_may_be_kept_for_good_and_can_do_nothing(client: TestClient) -> None:
    answer = client.get(first_address())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_cover_may_change_and_is_not_kept_for_good(client: TestClient) -> None:
    answer = client.get("/pictures/pocket-v1/pocket-ninja/cover.webp")
    assert answer.status_code == 200
    assert "immutable" not in answer.headers["cache-control"]


def test_a_blind_address_shows_the_same_picture_and_says_nothing(client: TestClient) -> None:
    blind = media.blind(first_address())
    assert "pocket" not in blind
    assert client.get(blind).content == client.get(first_address()).content


@pytest.mark.parametrize(
    "address",
    [
        "/blind/guessed",
        "/pictures/x/y.webp",
        "/pictures/..%2f..%2fetc/passwd",
        "/artifacts/" + "a" * 64 + "/..%2f..%2f..%2fsecret",
        "/pictures/%00/cover.webp",
        "/artifacts/" + "a" * 64 + "/%00",
        "/pictures/" + "x" * 5000 + "/cover.webp",
    ],
)
def test_anything_else_is_not_there(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404

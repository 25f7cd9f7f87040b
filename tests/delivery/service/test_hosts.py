"""By which names a server is called, and from which pages."""

from __future__ import annotations

import socket

import pytest

from harness.delivery.service.hosts import Hosts

HERE, OPEN = Hosts.of("127.0.0.1"), Hosts.of("0.0.0.0", ["Dash.example"])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST:1"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert HERE.refusal([(b"host", host.encode())]) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8501",
        "localhost.evil.example",
        "192.168.1.5",
        "a@localhost",
        "localhost:8501@evil.example",
        "localhost/",
        "localhost:123456",
        "",
        "[localhost]",
        "127.0.0.1.nip.example",
    ],
)
def test_another_name_is_refused(host: str) -> None:
    assert HERE.refusal([(b"host", host.encode())]) is not None
    assert HERE.refusal([(b"host", b"localhost"), (b"host", host.encode())]) is not None
    assert HERE.refusal([]) is not None


def test_a_server_for_the_network_is_known_by_addresses_and_by_names_that_were_given() -> None:
    for host in ("192.168.1.5:8501", "[fe80::1]", "dash.example", socket.gethostname()):
        assert OPEN.know(host), host
    assert not OPEN.know("evil.example")


@pytest.mark.parametrize(
    ("origin", "host", "ok"),
    [
        ("http://localhost:8501", "localhost:8501", True),
        ("https://dash.example", "dash.example", True),
        ("https://dash.example", "127.0.0.1:8501", True),
        ("http://evil.example", "localhost:8501", False),
        ("http://localhost:3000", "localhost:8501", False),
        ("http://127.0.0.1:8501", "localhost:8501", False),
        ("http://10.0.0.9", "10.0.0.8", False),
        ("null", "localhost", False),
        ("file://", "localhost", False),
        ("", "localhost", False),
    ],
)
def test_a_request_of_another_page_is_refused(origin: str, host: str, ok: bool) -> None:
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    assert (OPEN.refusal(headers) is None) is ok


def test_a_picture_that_another_page_embeds_is_refused_and_a_link_is_followed() -> None:
    host, foreign = (b"host", b"localhost"), (b"sec-fetch-site", b"cross-site")
    assert HERE.refusal([host, foreign, (b"sec-fetch-mode", b"no-cors")]) is not None
    assert HERE.refusal([host, foreign, (b"sec-fetch-mode", b"navigate")]) is None
    assert HERE.refusal([host, (b"sec-fetch-site", b"same-origin")]) is None

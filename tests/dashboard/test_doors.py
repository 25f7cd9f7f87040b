"""The dashboard's doors, tried with raw requests: foreign names, foreign pages, and no token.

One server that allows writing is started for all tests. Nothing here uses a browser, because what
is tried is what a browser would not send.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_socket
from dashboard_server import Server, serving
from running import harness_process
from visiting import ROOT
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dashboard import guard
from harness.pipeline.store.local import Store

proto = pytest.importorskip("streamlit.proto.BackMsg_pb2")
forward = pytest.importorskip("streamlit.proto.ForwardMsg_pb2")
pytestmark = pytest.mark.slow
EVIL = "evil.example"
PATIENCE = 120
"""Seconds for an answer: the machine may have much else to do."""
BASELINE = "baselines/pocket-v1/pocket-ninja-short.json"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("doors")
    shutil.copytree(ROOT / "reports", root / "reports")
    keys = json.loads((root / "reports/pocket-v1/pocket-ninja.json").read_text())["keys"]
    for key in (keys["train"], "a" * 64):
        folder = Store(root / "store").root / f"train/{key[:2]}/{key}"
        folder.mkdir(parents=True)
        (folder / "adapter.safetensors").write_bytes(b"weights")
        (folder / "log.jsonl").write_text("{}")
        (folder / "manifest.json").write_text(json.dumps({"files": {}}))
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    pytest_socket.enable_socket()  # no test has begun yet that would allow this machine
    with serving(root / "reports", root / "store", write=True) as server:
        yield server


def ask(method: str, address: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.request(method, address, headers=headers, timeout=PATIENCE)


def port_of(server: Server) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def cookie_of(server: Server) -> str:
    token = parse_qs(urlsplit(server.link).query)[guard.FIELD][0]
    return f"{guard.COOKIE}-{port_of(server)}={token}"


def socket_of(
    server: Server, host: str = "", origin: str | None = None, cookie: str = ""
) -> ClientConnection:
    """Return a websocket to the server, opened under whatever name and from whatever page."""
    port = port_of(server)
    return connect(
        f"ws://{host or '127.0.0.1'}:{port}/_stcore/stream",
        sock=socket.create_connection(("127.0.0.1", port)),
        origin=origin,  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        additional_headers={"Cookie": cookie} if cookie else {},
        max_size=None,
        open_timeout=PATIENCE,
        proxy=None,
    )


def buttons(line: ClientConnection, pressed: str = "", query: str = "") -> dict[str, str]:
    """Run the page of regressions once, and return the ids of its buttons by their words."""
    asked = proto.BackMsg()
    asked.rerun_script.query_string = f"candidate=pocket-ninja-short{query}"
    asked.rerun_script.page_name = "regressions"
    if pressed:
        state = asked.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = pressed, True
    line.send(asked.SerializeToString())
    found: dict[str, str] = {}
    while True:
        message = forward.ForwardMsg.FromString(line.recv(timeout=PATIENCE))
        if message.WhichOneof("type") == "script_finished":
            return found
        element = message.delta.new_element
        if element.WhichOneof("type") == "button":
            found[element.button.label] = element.button.id


def test_another_name_is_refused_and_an_own_one_answered(server: Server) -> None:
    for path in ("/", "/_stcore/health", "/pictures/pocket-v1/pocket-ninja/cover.webp"):
        assert ask("GET", f"{server.url}{path}").status_code == 200
        for host in (EVIL, f"{EVIL}:{port_of(server)}", "192.168.0.9", f"localhost.{EVIL}"):
            answer = ask("GET", f"{server.url}{path}", headers={"Host": host})
            assert answer.status_code == 400, host
            assert "Streamlit" not in answer.text


def test_a_request_of_another_page_is_refused(server: Server) -> None:
    cover = f"{server.url}/pictures/pocket-v1/pocket-ninja/cover.webp"
    assert ask("GET", cover, headers={"Origin": f"http://{EVIL}"}).status_code == 403
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert ask("GET", cover, headers=embedded).status_code == 403
    assert ask("GET", cover, headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_sent_by_http(server: Server, method: str) -> None:
    for path in ("/_stcore/upload_file/a/b", "/_stcore/agent/interact", "/"):
        answer = ask(method, f"{server.url}{path}", headers={"Cookie": cookie_of(server)})
        assert answer.status_code == 405


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (EVIL, None),
        (EVIL, f"http://{EVIL}"),
        ("", f"http://{EVIL}"),
        ("", "null"),
        ("", "http://localhost:1"),
    ],
)
def test_no_websocket_opens_for_another_name_or_page(
    server: Server, host: str, origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket_of(server, host, origin, cookie_of(server))
    assert refused.value.response.status_code == 403


def test_only_weights_of_a_shown_result_are_handed_out(server: Server, root: Path) -> None:
    keys = json.loads((root / "reports/pocket-v1/pocket-ninja.json").read_text())["keys"]
    shown, other = f"{server.url}/artifacts/{keys['train']}", f"{server.url}/artifacts/{'a' * 64}"
    assert ask("GET", f"{shown}/adapter.safetensors").content == b"weights"
    for address in (
        f"{other}/adapter.safetensors",
        f"{shown}/log.jsonl",
        f"{shown}/manifest.json",
        f"{shown}/../{'a' * 64}/adapter.safetensors",
    ):
        assert ask("GET", address).status_code == 404, address


def test_without_the_token_no_websocket_writes_whatever_it_presses(
    server: Server, root: Path
) -> None:
    file = root / "reports" / BASELINE
    with closing(socket_of(server, cookie=cookie_of(server))) as line:
        known = buttons(line)
    assert set(known) == {"Accept", "Keep"}
    lies = ("", f"{guard.COOKIE}-1=", f"{guard.COOKIE}={'x' * 32}", cookie_of(server)[:-1])
    for cookie in lies:
        with closing(socket_of(server, cookie=cookie)) as line:
            assert buttons(line, query=f"&{guard.FIELD}=x") == {}
            assert buttons(line, known["Accept"]) == {}
        assert not file.exists()
    with closing(socket_of(server, origin=server.url, cookie=cookie_of(server))) as line:
        buttons(line)
        buttons(line, known["Accept"])
    assert file.is_file(), "the same words with the token do write"


def test_the_token_leaves_the_address_at_once_and_a_wrong_one_is_refused(server: Server) -> None:
    answer = ask("GET", server.link.replace("/?", "/run?id=pocket-v1%2Fa&"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/run?id=pocket-v1%2Fa")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(cookie_of(server))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask("GET", f"{server.url}/?{guard.FIELD}=wrong").status_code == 403
    evil = ask("GET", f"{server.url}//{EVIL}/?{urlsplit(server.link).query}")
    assert evil.headers["location"] == f"/{EVIL}/"


def test_no_visitor_is_told_to_report_what_is_looked_at(server: Server) -> None:
    """Streamlit's own statistics of use leave the visitor's browser for a server of theirs."""
    with closing(socket_of(server)) as line:
        asked = proto.BackMsg()
        asked.rerun_script.query_string = ""
        line.send(asked.SerializeToString())
        while True:
            message = forward.ForwardMsg.FromString(line.recv(timeout=PATIENCE))
            if message.WhichOneof("type") == "new_session":
                break
    assert not message.new_session.config.gather_usage_stats


def test_no_source_file_is_watched(server: Server) -> None:
    """A watcher looks at every loaded module after every run of a view, before it answers."""
    with closing(socket_of(server)) as line:
        buttons(line)
        open_files = Path(f"/proc/{server.pid}/fd").iterdir()
        links = [str(file.readlink()) for file in open_files if file.is_symlink()]
    assert links
    assert not [link for link in links if "inotify" in link]


def test_half_sent_requests_do_not_stop_the_dashboard(server: Server) -> None:
    half = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half:"
    lines = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(400)]
    for line in lines[:300]:
        try:
            line.sendall(half)
        except OSError:
            continue
    assert ask("GET", f"{server.url}/_stcore/health").status_code == 200
    for line in lines:
        line.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_command_ends_the_server(number: int, tmp_path: Path) -> None:
    """The command becomes the server, so that no server stays behind."""
    import os

    with serving(ROOT / "reports", tmp_path) as server, closing(socket_of(server)) as line:
        assert "python" in Path(f"/proc/{server.pid}/exe").resolve().name
        buttons(line)
        os.kill(server.pid, number)
        deadline = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", port_of(server))) == 0:
            assert time.monotonic() < deadline, "the server still listens"
            time.sleep(0.1)


def test_a_port_that_is_taken_ends_in_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = harness_process("dashboard", "--port", port, "--store", tmp_path, cwd=ROOT)
    assert ran.code == 1
    assert "address already in use" in ran.err

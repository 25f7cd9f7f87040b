"""GitHub's API on this machine, as far as a comment on a pull request needs it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghs_secretsecretsecret"
BOT = {"id": 41, "type": "Bot"}


@dataclass
class Reviews:
    """The comments of one pull request, and everything that was asked for."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and authorization of each request."""
    user: int | None = None
    """Whose token it is; None for a workflow's."""
    statuses: dict[str, int] = field(default_factory=dict)
    """The status of every answer to a method, in place of the real one."""
    location: str = ""
    """Where a redirect leads."""

    def add(self, body: str, author: dict[str, Any]) -> dict[str, Any]:
        number = len(self.comments) + 1
        address = f"https://github.example/pull/7#issuecomment-{number}"
        made = {"id": number, "body": body, "user": author, "html_url": address}
        self.comments.append(made)
        return made

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "ink/loras",
            "GITHUB_TOKEN": TOKEN,
        }


class _Handler(BaseHTTPRequestHandler):
    state: Reviews

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state, parts = self.state, urlsplit(self.path)
        state.asked.append((self.command, self.path, self.headers["Authorization"]))
        if parts.path == "/user":
            who = {"id": state.user}
            return self._send(200, who) if state.user is not None else self._send(403, {})
        if self.command in state.statuses:
            return self._send(state.statuses[self.command], {"message": f"Bearer {TOKEN}"})
        if self.command == "GET" and parts.path == "/repos/ink/loras/issues/7/comments":
            return self._page(parse_qs(parts.query))
        if self.command == "POST" and parts.path == "/repos/ink/loras/issues/7/comments":
            author = BOT if state.user is None else {"id": state.user, "type": "User"}
            return self._send(201, state.add(json.loads(body)["body"], author))
        edited = re.fullmatch(r"/repos/ink/loras/issues/comments/(\d+)", parts.path)
        if self.command == "PATCH" and edited:
            comment = state.comments[int(edited[1]) - 1]
            comment["body"] = json.loads(body)["body"]
            return self._send(200, comment)
        return self._send(404, {})

    def _page(self, query: dict[str, list[str]]) -> None:
        size, page = int(query["per_page"][0]), int(query["page"][0])
        of_it = self.state.comments[size * (page - 1) : size * page]
        more = size * page < len(self.state.comments)
        self._send(200, of_it, '<https://elsewhere.example/>; rel="next"' if more else None)

    def _send(self, status: int, content: Any, link: str | None = None) -> None:
        sent = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        if link:
            self.send_header("Link", link)
        if self.state.location:
            self.send_header("Location", self.state.location)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *words: Any) -> None: ...


@contextmanager
def reviewed(**state: Any) -> Iterator[Reviews]:
    """Serve a pull request, `ink/loras#7`, until the block ends."""
    reviews = Reviews(**state)
    handler = type("Handler", (_Handler,), {"state": reviews})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        reviews.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield reviews
        finally:
            server.shutdown()
            thread.join()

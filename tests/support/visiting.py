"""What the dashboard's tests share: hostile words, and where they are put."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import guard, session
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    "[click](javascript:window.broken=3)",
    "![](http://example.invalid/x.png)",
    "{{ 7 * 7 }}",
    "\u202egnp.exe\u202c",
    '=HYPERLINK("http://example.invalid")',
    "$\\alpha$ **bold** :red[x]",
    "x" * 10_000,
)
"""Captions that are written to do harm."""
Visit = Callable[..., AppTest]


def let_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every visitor have the token of a server that may be written to."""
    monkeypatch.setenv(guard.TOKEN, "of this test")
    monkeypatch.setattr(session, "cookies", lambda: {f"{guard.COOKIE}-1": "of this test"})


def poison(reports: Path, recipe: str = "pocket-ninja-broken") -> None:
    """Put hostile words where prompts, summaries and notes of a result are."""
    file = reports / f"pocket-v1/{recipe}.json"
    document = json.loads(file.read_text())
    document["summary"] = " ".join(HOSTILE[:-1])
    document["images"]["named"] = list(HOSTILE)
    document["scores"][0]["notes"] = list(HOSTILE[:-1])
    file.write_text(json.dumps(document))
    target = ResultFile(file).album_path
    with zipfile.ZipFile(target) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    lines = [json.loads(line) for line in parts[album.INDEX].decode().splitlines()]
    prompts = list(dict.fromkeys(line["id"] for line in lines))
    for line in lines:
        line["text"] = HOSTILE[prompts.index(line["id"]) % len(HOSTILE)]
    parts[album.INDEX] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with zipfile.ZipFile(target, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)

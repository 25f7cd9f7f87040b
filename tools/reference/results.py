"""results.md: the result file, the signature, and the shape of every JSON document."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from harness.pipeline import protocol
from harness.pipeline.results import album, tables
from harness.pipeline.results.file import ALBUM
from tools.reference.commands import exit_codes
from tools.reference.markdown import head, table

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "contract.json"
INTRODUCTION = """\
A result is one JSON file, `reports/<benchmark>/<recipe>.json`, with tables beside it. Its fields
stand in [pages](pages.md#result-which-the-harness-writes). The shapes below are what a script may
hold on to: a field may be added, none is renamed or taken away.
"""
SHAPES = """\
What each command prints with `--json`, as a test of it found it: `str`, `number`, `bool`, or
`NoneType` where there was nothing to say. A list shows its first member.
"""


def reference() -> str:
    """Return the page of results and documents."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["documents"]
    file = golden.pop("result file")
    shapes = [_shape(name, golden[name]) for name in sorted(golden)]
    parts = [
        head("Results and JSON", "code and tests/golden/contract.json", INTRODUCTION),
        _shape("result file", file),
        _beside(),
        _signature(),
        exit_codes(),
        f"## Documents\n\n{SHAPES}",
        *(shape.replace("## ", "### ", 1) for shape in shapes),
    ]
    return "\n".join(parts)


def _shape(name: str, shape: Any) -> str:
    words = name.capitalize() if name == "result file" else name
    return f"## {words}\n\n```json\n{json.dumps(shape, indent=2, sort_keys=True)}\n```\n"


def _beside() -> str:
    """Return which tables lie beside a result, and what each holds."""
    rows = [
        (f"`<recipe>.{kind}.parquet`", tables.HOLDS[kind], ", ".join(f"`{n}`" for n in of.names))
        for kind, of in tables.TABLES.items()
    ]
    rows.append((f"`<recipe>{ALBUM}`", (album.__doc__ or "").partition("\n")[0], "a zip"))
    return "## Beside a result\n\n" + table(("file", "what it holds", "columns"), rows)


def _signature() -> str:
    rows = [(f"`{name}`", text) for name, text in protocol.PARTS.items()]
    text = " ".join((inspect.getdoc(protocol) or "").split())
    return f"## Signature\n\n{text}\n\n" + table(("part", "what it holds"), rows)

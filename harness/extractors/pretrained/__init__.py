"""Real networks that ship with the package, each with its licence and its digest.

They were trained by others on photographs; `tools/` holds the script that converted each. The toys
that we train ourselves are in `harness/pocket/`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def digest_of(file: str) -> str:
    """Return the sha256 of a shipped file of weights, as it was when it was converted."""
    known: dict[str, str] = json.loads((FOLDER / "digests.json").read_text(encoding="utf-8"))
    return known[file]

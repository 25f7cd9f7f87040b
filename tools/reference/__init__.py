"""Write docs/reference/: commands, pages, metrics, the Python API, results and the environment.

`python -m tools.reference` writes every page again; a test holds each to what this package returns.
The texts are those of the code: what is missing in a page is missing there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.reference import api, commands, environment, metrics, pages, results

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.reference,
    "pages.md": pages.reference,
    "metrics.md": metrics.reference,
    "python.md": api.reference,
    "results.md": results.reference,
    "environment.md": environment.reference,
}

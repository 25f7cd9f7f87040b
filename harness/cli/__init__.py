"""argv → one call → text. No logic lives here.

Each command imports what it needs when it is called, so that `--help` answers at once; these
are the only modules that may.
"""

# ruff: noqa: F401, I001 (commands are listed in the order in which they are imported)
from __future__ import annotations

from collections.abc import Sequence

from harness.cli import make, judge, decide, browse, data, upkeep
from harness.cli.common import app, fail
from harness.errors import HarnessError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, on the words of this process where none are given."""
    try:
        app(argv)
    except HarnessError as error:
        fail(str(error), error.exit_code)

"""argv → one call → text. No logic lives here.

Each command imports what it needs when it is called, so that `--help` answers at once; these
are the only modules that may.
"""

# ruff: noqa: F401, I001 (commands are listed in the order in which they are imported)
from __future__ import annotations

from harness.cli import make, judge, decide, browse, data, upkeep
from harness.cli.common import app, fail
from harness.errors import HarnessError


def main() -> None:
    """Run the command line."""
    try:
        app()
    except HarnessError as error:
        fail(str(error), error.exit_code)

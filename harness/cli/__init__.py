"""argv → one call → text. No logic lives here.

`harness --help` has a section for each group of commands; the commands of a group are in the file
of that name. Each command imports what it needs when it is called, so that `--help` answers at
once; only the modules of this package may do that.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.cli import browse as browse
from harness.cli import complete
from harness.cli import data as data
from harness.cli import decide as decide
from harness.cli import judge as judge
from harness.cli import make as make
from harness.cli import upkeep as upkeep
from harness.cli.program import app, end_stopped, fail
from harness.errors import HarnessError


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command line, the program's own if none is given; end with SystemExit."""
    complete.prepare()
    # It tells of a kernel for 4-bit weights that it cannot fetch, and that nothing here calls.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        app(None if argv is None else list(argv), prog_name="harness")
    except HarnessError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:  # before a command begins, or again while it ends
        end_stopped()

"""environment.md: every environment variable that is read, from flags and from the code."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.main import get_command

from harness.cli.program import VARIABLES, app
from tools.reference.commands import every_command
from tools.reference.markdown import head, table

INTRODUCTION = """\
A flag of the command line goes before a variable, and a variable before the default. In Python the
variables give defaults too.
"""


def reference() -> str:
    """Return the page of all variables."""
    return "\n".join(
        [
            head("Environment variables", "the program and its flags", INTRODUCTION),
            "## Defaults of flags\n",
            table(("variable", "flag", "what it does"), flags()),
            "## Others\n",
            table(("variable", "what it does"), [(f"`{n}`", t) for n, t in VARIABLES.items()]),
        ]
    )


def flags() -> list[tuple[str, str, str]]:
    """Return every variable that gives the default of a flag, once."""
    found: dict[str, Counter[tuple[str, str, str]]] = {}
    for _, _, made in every_command(get_command(app)):
        for each in made.params:
            if each.envvar and not each.hidden:
                found.setdefault(each.envvar, Counter())[_row(each)] += 1
    return [found[name].most_common(1)[0][0] for name in sorted(found)]


def _row(option: Any) -> tuple[str, str, str]:
    return f"`{option.envvar}`", f"`{option.opts[0]}`", option.help or ""

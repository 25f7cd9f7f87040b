"""The commands of the program, for tests that hold for each of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from harness.cli.program import app


@dataclass(frozen=True)
class Known:
    """A command by its words, as `store push`, and what typer made of it."""

    words: str
    group: str | None
    made: Any

    @property
    def function(self) -> Callable[..., Any]:
        """The function as it is written, without what is wrapped around it."""
        return inspect.unwrap(self.made.callback)

    @property
    def example(self) -> str:
        """The command line that its help shows."""
        return str(self.made.epilog).strip().splitlines()[-1].strip()


def commands() -> list[Known]:
    """Return every command, those of `store` by two words."""
    return list(_below(get_command(app), "", None))


def _below(parent: Any, before: str, group: str | None) -> Iterator[Known]:
    for name, each in parent.commands.items():
        panel = each.rich_help_panel or group
        if hasattr(each, "commands"):
            yield from _below(each, f"{before}{name} ", panel)
        else:
            yield Known(f"{before}{name}", panel, each)

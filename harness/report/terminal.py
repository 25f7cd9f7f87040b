"""The terminal of this house: a stranger's word is neither markup nor a command there."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.escaping import one_line, printable


class Terminal(Console):
    """A console that writes words as they are; only `Text` has a style."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return words as rich measures them: signs that cannot be seen have a width."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is written, whoever made the `Text`; rich's own commands pass."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def new_table(title: str, caption: str | None = None) -> Table:
    """Return a table without columns; its title is one line, whatever names are in it."""
    below = None if caption is None else one_line(caption)
    return Table(title=one_line(title), title_justify="left", caption=below, caption_justify="left")


def printed(show: Callable[[Terminal], object], width: int = 120) -> str:
    """Return what `show` writes to a terminal of some width, without colours."""
    stream = io.StringIO()
    show(Terminal(file=stream, width=width, no_color=True))
    return stream.getvalue().rstrip()

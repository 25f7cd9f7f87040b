"""The components that the dashboard and the static site draw with: JavaScript and one style sheet.

A component is a script that exports one function. `shared.js` holds what all of them use.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def source(name: str) -> str:
    """Return one script as it is written."""
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def script(name: str) -> str:
    """Return a component's script together with what all components use."""
    return "\n".join(source(each) for each in ("shared", name))


def style() -> str:
    """Return the style sheet of all components."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")

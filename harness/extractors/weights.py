"""What to say where a network's weights are not to be had."""

from __future__ import annotations

from pathlib import Path

from harness.errors import MissingPrerequisite


def absent(what: str, name: str, error: Exception, fetch: str | None = None) -> MissingPrerequisite:
    """Return the error that makes a metric unavailable, with the command that would help."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    local = Path(name).is_absolute() or name.startswith(".")
    hint = f"correct the path {name}" if local else f"`{fetch or f'hf download {name}'}`"
    return MissingPrerequisite(f"{what} {name} cannot be loaded: {said}", hint=hint)

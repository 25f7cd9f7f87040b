"""What several test processes need is made by the first of them; the others wait and share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock


@dataclass(frozen=True)
class Once:
    """A folder that all test processes of one run see."""

    root: Path

    def __call__(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder `name`, which `make` fills where no process has done so yet."""
        folder, done = self.root / name, self.root / f"{name}.done"
        with FileLock(self.root / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

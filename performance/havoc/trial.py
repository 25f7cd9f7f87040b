"""What one trial finds, and how a run is held against the undisturbed one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .children import Child, start
from .world import RECIPES, Place, World

Verdict = Literal["equal", "named", "difference", "loss", "missed"]
"""Equal digests; a loss that was named and mended; other digests; a loss; or nothing happened."""


@dataclass
class Trial:
    """One trial: its number, its kind, and what came of it."""

    number: int
    kind: str
    place: Place
    dice: random.Random
    stage: str = ""
    """Where it was to happen."""
    means: str = ""
    """The signal, or the kind of file."""
    landed: list[str] = field(default_factory=list)
    """Where it did happen: a stage for each stop."""
    codes: list[int | None] = field(default_factory=list)
    verdict: Verdict = "equal"
    detail: str = ""
    raw: int = 0
    """How many commands showed an error of Python's in place of one of ours."""
    children: list[Child] = field(default_factory=list)

    def start(self, words: Sequence[object], change: Callable[[], None] = lambda: None) -> Child:
        log = self.place.root.parent / f"{self.place.root.name}-{len(self.children)}.log"
        log.write_text("")  # a child may be killed before it writes a word
        self.children.append(start(tuple(words), log, change))
        return self.children[-1]

    def end(self, child: Child) -> int | None:
        """Wait for a command, and note how it ended."""
        code = child.wait()
        self.codes.append(code)
        self.raw += child.is_raw
        if code is None:
            self.fail("loss", f"hangs: {child.said[-300:]}")
        return code

    def fail(self, verdict: Verdict, detail: str) -> None:
        """Note what is worst and came first."""
        if self.verdict in ("equal", "named", "missed"):
            self.verdict, self.detail = verdict, detail

    def go_on(
        self, world: World, recipes: Sequence[str] = RECIPES[:1], all_steps: bool = True
    ) -> None:
        """Run what is left to its end, and hold everything against the undisturbed run."""
        child = self.start(self.place.run(*recipes))
        if self.end(child) != 0:
            self.fail("loss", f"cannot go on: {child.said[-400:]}")
        else:
            self.compare(world, recipes, all_steps=all_steps)

    def compare(
        self,
        world: World,
        recipes: Sequence[str] = RECIPES[:1],
        whole: bool = True,
        all_steps: bool = True,
    ) -> None:
        found = world.differences(self.place, recipes, whole, all_steps)
        if found:
            self.fail("difference", "; ".join(found)[:400])

    def document(self) -> dict[str, Any]:
        hidden = ("place", "dice", "children", "number")
        facts = {name: value for name, value in vars(self).items() if name not in hidden}
        return {"number": self.number, **facts}


def log_of(trial: Trial) -> str:
    return "\n".join(
        f"--- {child.log.name}: {child.code}\n{child.said}" for child in trial.children
    )

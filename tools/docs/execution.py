"""Execute a page in its folder, and tell what it shows from what came out."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from running import House, Ran

from tools.docs.blocks import Block, Page, commands, console
from tools.docs.outputs import is_same, plain, shortened
from tools.docs.parts import merged
from tools.docs.session import Session, told
from tools.docs.worlds import STAND_IN, demo, prepare


@dataclass
class Outcome:
    """What became of a page's blocks."""

    executed: int = 0
    elsewhere: int = 0
    """How many of these another test executes."""
    skipped: list[str] = field(default_factory=list)
    written: int = 0
    compared: int = 0
    left: int = 0
    figures: int = 0
    wrong: list[str] = field(default_factory=list)
    new: dict[int, str] = field(default_factory=dict)
    """What must stand in a block instead, by the line at which it begins."""


def execute(page: Page, root: Path, house: House) -> Outcome:
    """Run every block of a page below `root`."""
    folder = root / "page"
    folder.mkdir(parents=True)
    setups = [mark.rest for mark in page.marked("setup")]
    for setup in setups:
        prepare(setup, folder, house)
    stands_in = demo() is None and any(word in STAND_IN for each in setups for word in each.split())
    work = _Work(Session(folder, root / "programs"), stands_in)
    try:
        for block in page.blocks:
            work.block(block)
    finally:
        work.session.close()
    return work.outcome


@dataclass
class _Work:
    """The blocks of a page, one after another."""

    session: Session
    stands_in: bool
    outcome: Outcome = field(default_factory=Outcome)

    def block(self, block: Block) -> None:
        for mark in block.marks:
            if mark.word == "hidden":
                for command in commands(mark.rest):
                    self._expect(block, command, self.session.command(command), 0)
        skip = block.marked("skip")
        if skip is not None:
            assert skip.reason, f"{block.place}: a block is skipped without a reason"
            self.outcome.skipped.append(f"{block.place}: {skip.reason}")
        elif block.title:
            self._write(block)
        elif block.marked("within"):
            self._check_part(block)
        elif block.is_run:
            self._run(block)

    def _run(self, block: Block) -> None:
        self.outcome.executed += 1
        if block.language == "console":
            self._console(block)
            return
        run = self._python if block.language == "python" else self._shell
        printed = run(block)
        if block.output is not None:
            self._compare(block.output, block.output.text, printed, block.marked("unlike"))

    def _python(self, block: Block) -> str:
        try:
            ran = self.session.python(block.text)
        except Exception:
            self.outcome.wrong.append(f"{block.place}: {traceback.format_exc(limit=-3)}")
            return ""
        self._expect(block, "python", ran, 0)
        return told(ran)

    def _shell(self, block: Block) -> str:
        printed = []
        given = commands(block.text)
        for number, command in enumerate(given, 1):
            ran = self.session.command(command)
            self._expect(block, command, ran, _code(block) if number == len(given) else 0)
            printed.append(told(ran))
        return "".join(printed)

    def _console(self, block: Block) -> None:
        written, differs = [], False
        shown = console(block.text)
        for number, (command, output) in enumerate(shown, 1):
            ran = self.session.command(command)
            self._expect(block, command, ran, _code(block) if number == len(shown) else 0)
            printed = plain(told(ran), self.session.root)
            same = self._is_as_shown(output, printed, block)
            differs |= not same
            written.append("$ " + command.replace("\n", "\n> "))
            text = output if same else shortened(printed, output)
            written += [text] if text else []
        if differs:
            self._differs(block, "\n".join(written))

    def _compare(self, block: Block, shown: str, printed: str, unlike: object) -> None:
        if unlike is not None:
            self.outcome.left += 1
            return
        printed = plain(printed, self.session.root)
        if not self._is_as_shown(shown, printed, block):
            self._differs(block, shortened(printed, shown))

    def _is_as_shown(self, shown: str, printed: str, block: Block) -> bool:
        """Count one output, and return whether it is the shown one as far as that can be asked."""
        if self.stands_in or block.marked("unlike"):
            self.outcome.left += bool(shown)
            return True
        self.outcome.compared += bool(shown or printed)
        return is_same(shown, printed)

    def _differs(self, block: Block, text: str) -> None:
        self.outcome.new[block.line] = text
        self.outcome.wrong.append(
            f"{block.place}: what came out is not what the page shows:\n{text}"
        )

    def _expect(self, block: Block, command: str, ran: Ran, code: int) -> None:
        if ran.code != code:
            said = (ran.out + ran.err)[-1500:]
            self.outcome.wrong.append(f"{block.place}: {command}\nended in {ran.code}:\n{said}")

    def _write(self, block: Block) -> None:
        """Write a block with a title into the folder; check it where it is a page."""
        self.outcome.written += 1
        file = self.session.root / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text + "\n", encoding="utf-8")
        if file.suffix in (".yaml", ".yml"):
            YAML(typ="safe").load(block.text)
        if block.title.startswith(("recipes/", "prompts/")):
            self._expect(
                block, "check", self.session.command(f"harness check {block.title}"), _code(block)
            )

    def _check_part(self, block: Block) -> None:
        """Check a part of a page in place of the same fields of a whole one."""
        self.outcome.written += 1
        mark = block.marked("within")
        assert mark is not None
        file = self.session.root / "part" / Path(mark.rest).parent / "part.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(merged(mark.rest, block.text, self.session.root), encoding="utf-8")
        ran = self.session.command(f"harness check {file}")
        self._expect(block, f"check within {mark.rest}", ran, 0)


def _code(block: Block) -> int:
    """Return the exit code that the last command of a block has."""
    mark = block.marked("exit")
    return int(mark.rest) if mark else 0

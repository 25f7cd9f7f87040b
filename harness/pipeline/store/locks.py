"""Who uses a store at this moment: locks that end with their process, and words about waiting.

A lock is a `flock` on a small file, so the kernel lets go of it when its process ends, however it
ends. Many processes may share a lock, or one has it alone. The workers of a run take none: the run
that waits for them has the locks for all. A note beside the lock says who has it, for people; it
decides nothing, and a killed process leaves it behind.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import StoreError
from harness.escaping import one_line

log = logging.getLogger(__name__)
BEAT = 0.2
"""Seconds between two tries."""
SILENCE = 1.0
"""Seconds of waiting that are not worth a word."""
ADVICE = "wait for it, or use another --store"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""How a file system says that it keeps no locks."""
_NOT_OURS = {errno.EROFS, errno.EACCES, errno.EPERM}
"""How it says that we may not write."""
_warned: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """A process that has a lock, and what it does with it."""

    pid: int
    host: str
    since: float
    """Seconds since 1970."""
    what: str

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        what = f" ({self.what})" if self.what else ""
        when = datetime.fromtimestamp(self.since).isoformat(" ", "seconds")
        return one_line(f"PID {self.pid}{where}{what} since {when}")

    @classmethod
    def from_json(cls, text: str) -> Holder:
        said = json.loads(text)
        return cls(int(said["pid"]), str(said["host"]), float(said["since"]), str(said["what"]))

    def is_gone(self) -> bool:
        """Return whether the process has ended, as far as this machine can tell."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


@dataclass(frozen=True)
class Lock:
    """A lock on `file`, and what is said of it."""

    file: Path
    busy: str
    """What is true while other processes have it: the beginning of a word or an error."""
    what: str = ""
    """What this process does with it."""
    alone: bool = True
    """Whether one process has it alone, or all that share it have it together."""
    wait: bool = True
    """Whether to wait for other processes; if not, they are an error."""

    @contextmanager
    def held(
        self, check: Callable[[], None] = lambda: None, required: bool = False
    ) -> Iterator[None]:
        """Have the lock while the block runs; `check` may raise to end the waiting.

        Where the file system keeps no locks, a warning says so and the block runs without, unless
        the lock is `required`. Where we may not write, it runs without: nor can we remove there.
        """
        descriptor = self._open()
        if descriptor is None:
            yield
            return
        try:
            if not self._take(descriptor, check):
                self._do_without(required)
            with self._noted():
                yield
        finally:
            os.close(descriptor)

    def holders(self) -> list[Holder]:
        """Return who has the lock, by the notes; notes of processes that are gone are removed."""
        found = []
        for note in self._notes():
            try:
                holder = Holder.from_json(note.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError, OverflowError):
                continue  # it ended between two looks, or writes this very moment
            if holder.is_gone():
                with suppress(OSError):
                    note.unlink(missing_ok=True)
            else:
                found.append(holder)
        return found

    def _notes(self) -> list[Path]:
        return sorted(self.file.parent.glob(f"{self.file.stem}.*.note"))

    def _open(self) -> int | None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
        try:
            return os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None

    def _take(self, descriptor: int, check: Callable[[], None]) -> bool:
        """Take the lock once it is free; return whether the file system keeps locks at all."""
        began, told = time.monotonic(), ""
        while True:
            taken = self._try(descriptor)
            if taken is not None:
                return taken
            holders = ", ".join(map(str, self.holders())) or "another process"
            if not self.wait:
                raise StoreError(f"{self.busy}: {holders}", hint=ADVICE)
            if holders != told and time.monotonic() - began >= SILENCE:
                log.warning("%s: waits for %s; Ctrl-C stops", self.busy, holders)
                told = holders
            check()
            time.sleep(BEAT)

    def _try(self, descriptor: int) -> bool | None:
        """Return whether the lock was taken; False without locks, None while others have it."""
        try:
            fcntl.flock(
                descriptor, (fcntl.LOCK_EX if self.alone else fcntl.LOCK_SH) | fcntl.LOCK_NB
            )
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return False
        return True

    def _do_without(self, required: bool) -> None:
        folder = self.file.parent
        why = f"the file system of {folder} keeps no locks"
        if required:
            raise StoreError(
                f"{why}, so nothing tells whether a run uses the store",
                hint="see that none does, and give --anyway",
            )
        if folder not in _warned:
            _warned.add(folder)
            log.warning("%s: run one command at a time there", why)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Leave word of this process beside the lock while the block runs, where that can be."""
        holder = Holder(os.getpid(), socket.gethostname(), time.time(), self.what)
        note = self.file.with_name(f"{self.file.stem}.{os.getpid()}-{secrets.token_hex(3)}.note")
        with suppress(OSError):
            for left in self._notes() if self.alone else ():
                left.unlink(missing_ok=True)
            note.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                note.unlink(missing_ok=True)

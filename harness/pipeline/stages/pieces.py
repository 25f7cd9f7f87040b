"""Work in pieces: done by this process, by several processes, or by the workers of a pool.

A stage says which pieces there are and how one is done. A piece is cut the same way whichever
process does it, writes whole files, and may be done twice; so the files that a stage makes do
not depend on who did the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.interfaces import Page, PoolJob, Progress, Reply, Report, StageContext
from harness.pipeline.stages.job import ProgressFile, describe, piece_function, raise_error
from harness.pipeline.stages.launch import run_pieces
from harness.records import StageName

POOL_PIECES = "harness.pipeline.stages.worker:open_pieces"
POOL_STAGE = "harness.pipeline.stages.worker:open_stage"


@dataclass(frozen=True)
class Piece:
    """A part of a stage's work: plain values that say which, and its size, such as its images."""

    what: Any
    size: int = 1


def is_shared(context: StageContext, pieces: int) -> bool:
    """Return whether other processes will do some of the pieces."""
    return pieces > 0 and (context.pool is not None or (context.processes > 1 and pieces > 1))


def share(
    stage: StageName,
    spec: Page,
    context: StageContext,
    pieces: Sequence[Piece],
    finished: int = 0,
    note: str = "",
    after_piece: Callable[[Piece], None] = lambda piece: None,
) -> None:
    """Have every piece done, and call `after_piece` for each.

    Progress counts from `finished`, the size of what an earlier run left; `note` says of what.
    """
    if not pieces:
        return
    tally = _Tally(pieces, finished, note, context.report, after_piece)
    values = [piece.what for piece in pieces]
    if context.pool is not None:
        document = describe(stage, spec, context).to_json()
        job = PoolJob(stage, POOL_PIECES, document, cuda=_on_gpu(context))
        context.pool.do(job, values, tally.on_reply)
        if tally.seconds:
            processes = context.notes.get("processes", 1)
            context.notes["seconds"] = round(tally.seconds / processes, 3)
    elif is_shared(context, len(pieces)):
        run_pieces(describe(stage, spec, context, values), context, tally.on_reply)
    else:
        _do_here(stage, spec, context, pieces, tally)


def delegate(stage: StageName, spec: Page, context: StageContext) -> None:
    """Have a whole stage done by one worker of the pool; its reports come through a file."""
    assert context.pool is not None
    progress = ProgressFile(context.folder)
    progress.clear()

    def on_reply(number: int | None, reply: Reply) -> None:
        for each in progress.read_new():
            context.report(each)
        raise_error(reply)
        context.notes.update(reply.get("notes", {}))
        if "seconds" in reply:  # of work alone: before it, the step may have waited for a worker
            context.notes["seconds"] = round(reply["seconds"], 3)

    document = describe(stage, spec, context).to_json()
    job = PoolJob(stage, POOL_STAGE, document, cuda=_on_gpu(context))
    context.pool.do(job, [None], on_reply)


def _on_gpu(context: StageContext) -> bool:
    return context.device != "cpu"


def _do_here(
    stage: StageName, spec: Page, context: StageContext, pieces: Sequence[Piece], tally: _Tally
) -> None:
    number = 0

    def report(progress: Progress) -> None:
        tally.set_moved(number, progress.done)

    do_piece = piece_function(stage, spec, replace(context, report=report))
    for number, piece in enumerate(pieces):
        do_piece(piece.what)
        tally.on_reply(number, {})


class _Tally:
    """How far all pieces have come together."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        finished: int,
        note: str,
        report: Report,
        after_piece: Callable[[Piece], None],
    ) -> None:
        self._pieces, self._note = pieces, note
        self._report_to, self._after_piece = report, after_piece
        self._moved = [0] * len(pieces)
        self._done = finished
        self._total = finished + sum(piece.size for piece in pieces)
        self.seconds = 0.0
        """Seconds of work, of all workers together, where they are told."""

    def set_moved(self, number: int, count: int) -> None:
        """Say how much of a piece is done by now."""
        self._done += count - self._moved[number]
        self._moved[number] = count
        self._report()

    def on_reply(self, number: int | None, reply: Reply) -> None:
        """Take in what a worker replies about a piece: an error, its progress, or its end."""
        raise_error(reply)
        self.seconds += reply.get("seconds", 0.0)
        if number is None:
            self._report()
        elif "moved" in reply:
            self.set_moved(number, reply["moved"])
        else:
            self._after_piece(self._pieces[number])
            self.set_moved(number, self._pieces[number].size)

    def _report(self) -> None:
        self._report_to(Progress(self._done, self._total, self._note))

"""A worker of `processes`: `python -m harness.pipeline.executors.forked_worker SOCKET…`.

It imports the libraries once, and forks for every socket. Each fork reads a line a piece of work,
and answers with a line. It ends with its socket, that is: with the process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from queue import SimpleQueue
from typing import TextIO

from harness.pipeline.executors.cluster import Worker
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.worker import errors_in_reply


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started us says when to stop
    for stage in STAGES.values():
        stage.load()
    first, *others = [int(each) for each in sys.argv[1:]]
    for each in others:
        if os.fork() == 0:
            return serve(each, {first, *others} - {each})
    serve(first, set(others))


def serve(own: int, others: set[int]) -> None:
    """Do every piece that is asked for over one socket."""
    for each in others:
        os.close(each)
    both = socket.socket(fileno=own)
    answers = both.makefile("w", encoding="utf-8")
    asked: SimpleQueue[str] = SimpleQueue()
    threading.Thread(
        target=_listen, args=(both.makefile("r", encoding="utf-8"), asked), daemon=True
    ).start()
    worker = Worker()
    while True:
        piece = json.loads(asked.get())
        with errors_in_reply() as reply:
            reply |= worker.do(piece["key"], piece["opening"], piece["document"], piece["what"])
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _listen(lines: TextIO, asked: SimpleQueue[str]) -> None:
    """Pass on what is asked; where nobody is left to ask, end at once, in the midst of work."""
    for line in lines:
        asked.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()

"""Steps in the order of their inputs, several at once where they do not wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from harness.records import Step

AT_ONCE = 8
"""Steps that may be under way together."""


def walk(steps: Sequence[Step], make: Callable[[Step], None], stop: Callable[[], None]) -> None:
    """Make every step once its inputs exist; if one fails, call `stop` and raise its error.

    Two features steps do not run together: the second needs not repeat what the first one did.
    """
    waiting = list(steps)
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="step") as pool:
        try:
            while waiting or running:
                for step in list(_ready(waiting, list(running.values()))):
                    waiting.remove(step)
                    running[pool.submit(make, step)] = step
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    future.result()
        except BaseException:
            stop()
            raise


def _ready(waiting: Sequence[Step], running: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps that may begin: as many as there is room for."""
    ahead = {step.key for step in (*waiting, *running)}
    extracting = any(step.stage == "features" for step in running)
    room = AT_ONCE - len(running)
    for step in waiting:
        if room > 0 and not ahead & set(step.reads.values()):
            if step.stage == "features" and extracting:
                continue
            extracting = extracting or step.stage == "features"
            room -= 1
            yield step

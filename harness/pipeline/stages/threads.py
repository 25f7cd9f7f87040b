"""How many threads share an operation of the networks in this process.

The order in which they add up, and so the last digit of what is made, depends on it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def threads_here() -> dict[str, int]:
    """Return the number for the provenance of a step, where the networks' library is loaded."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {"threads": torch.get_num_threads()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread while the block runs, in the threads that it starts too."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

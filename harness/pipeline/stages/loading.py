"""Import the code of stages: thousands of modules, in which there is no garbage to look for.

Python looks for unused cycles of objects whenever enough new ones were made. While the libraries
of networks are imported, that happens over and over, and takes a quarter of the time.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage during the block, and later not among the modules that came with it."""
    if not gc.isenabled():
        yield
        return
    had_networks = "diffusers" in sys.modules
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    if not had_networks and "diffusers" in sys.modules:
        gc.freeze()  # a caller who has had no diffusers has no pipeline that is to be freed

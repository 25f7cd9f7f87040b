"""Pseudo-values: one number a prompt, whatever the statistic (Tukey 1958; Miller 1974).

P = kθ − (k − 1)θ₋ₚ for k prompts. Their standard error is the statistic's. The difference of two
results on the same prompts is judged by the differences of their pseudo-values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array


def clusters(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each row's prompt, prompts counted as they first appear."""
    order: dict[str, int] = {}
    return np.array([order.setdefault(name, len(order)) for name in names], dtype=np.int64)


def pseudo_values(value: float | Array, without: Array) -> Array:
    """Return kθ − (k − 1)θ₋ₚ for each of k prompts, from the statistic without each of them."""
    count = without.shape[-1]
    return np.asarray(count * value - (count - 1) * without, np.float64)

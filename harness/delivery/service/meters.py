"""Counts and times of the service in Prometheus' text format."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper ends of the histogram's buckets, in seconds."""


class Meters:
    """The answers by HTTP code, and how long images took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: Counter[int] = Counter()
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def answered(self, code: int, seconds: float) -> None:
        """Count an answer; only images go into the histogram."""
        with self._lock:
            self._codes[code] += 1
            if code == 200:
                self._buckets[bisect_left(BOUNDS, seconds)] += 1
                self._seconds += seconds

    def text(self, waiting: int) -> str:
        """Return everything in Prometheus' text format, version 0.0.4."""
        with self._lock:
            codes, buckets, seconds = sorted(self._codes.items()), [*self._buckets], self._seconds
        below, total = [], 0
        for bound, count in zip([*BOUNDS, "+Inf"], buckets, strict=True):
            total += count
            below.append(f'harness_image_seconds_bucket{{le="{bound}"}} {total}')
        return (
            "\n".join(
                [
                    "# HELP harness_requests_total Requests for images, by the code of the answer.",
                    "# TYPE harness_requests_total counter",
                    *(f'harness_requests_total{{code="{code}"}} {count}' for code, count in codes),
                    "# HELP harness_queue_length Requests that wait.",
                    "# TYPE harness_queue_length gauge",
                    f"harness_queue_length {waiting}",
                    "# HELP harness_image_seconds From a request to its image.",
                    "# TYPE harness_image_seconds histogram",
                    *below,
                    f"harness_image_seconds_sum {seconds:.6f}",
                    f"harness_image_seconds_count {total}",
                ]
            )
            + "\n"
        )

"""The service as a user starts it, under more requests than it can hold, and stopped meanwhile."""

from __future__ import annotations

import pytest
from running import House
from serve_load import QUEUE, load


@pytest.mark.slow
def test_no_request_is_lost_under_load_nor_by_a_stop(house: House) -> None:
    count = QUEUE + 16
    found = load(house.reports / "tiny-v1" / "tiny.json", house.store, count)
    assert found.answered == found.distinct == count
    assert found.refused >= 1
    assert 0 < found.p50 <= found.p95
    assert found.stopped["late 503"] == 1
    assert found.stopped["200"] >= found.held > 0, "who waits is served"
    assert found.stopped["200"] + found.stopped.get("503", 0) == QUEUE // 2, (
        "and who does not, told"
    )
    assert found.stop_code == 0

"""Training in several processes, which begin with torch imported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import warm

from harness.pipeline.stages import launch


@pytest.fixture(scope="module", autouse=True)
def warm_workers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "start", warm.Workers)
        yield

"""Rows of the pocket world as a data source."""

from __future__ import annotations

from collections.abc import Iterator

from harness.data.specs import Pocket
from harness.interfaces import Picture
from harness.pocket.world import row


def pocket(spec: Pocket) -> Iterator[Picture]:
    """Yield rows `first` to `first + count` of the set."""
    for index in range(spec.first, spec.first + spec.count):
        each = row(spec.set, index)
        yield Picture(
            id=each.id,
            open=each.image,
            text=each.caption,
            tags=each.tags,
            facts={
                "rating": each.rating,
                "score": each.score,
                "aesthetic": each.aesthetic,
                "year": each.year,
                "width": each.width,
                "height": each.height,
            },
        )

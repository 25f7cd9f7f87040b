"""A data set of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.data.specs import Hub, id_of
from harness.errors import MissingPrerequisite, UsageError
from harness.interfaces import Picture


def hub(spec: Hub) -> Iterator[Picture]:
    """Yield the rows of the split in order; pixels are decoded only when asked for."""
    from datasets import load_dataset

    try:
        rows = load_dataset(
            spec.id, revision=spec.revision, split=spec.split, streaming=spec.limit is not None
        )
    except Exception as error:
        raise MissingPrerequisite(
            f"the data set {spec.id} cannot be loaded: {str(error).splitlines()[0]}",
            hint="check the network and the id, or fetch it first with `hf download`",
        ) from error
    for index, each in enumerate(rows):
        if spec.limit is not None and index >= spec.limit:
            return
        yield _picture(spec, index, each)


def _picture(spec: Hub, index: int, each: dict[str, Any]) -> Picture:
    for column in (spec.image, spec.text, spec.tags, spec.weight):
        if column and column not in each:
            raise UsageError(
                f"the data set {spec.id} has no column {column!r}", hint=f"it has {', '.join(each)}"
            )
    tags = each[spec.tags] or () if spec.tags else ()
    if isinstance(tags, str):
        tags = [tag.strip() for tag in (tags.split(",") if "," in tags else tags.split())]
    written = each[spec.text] or "" if spec.text else ""
    captions = tuple(str(one) for one in (written if isinstance(written, list) else [written]))
    return Picture(
        id=id_of(index),
        open=lambda: each[spec.image],
        text=captions[0] if captions else "",
        tags=tuple(tags),
        facts={fact: each.get(column) for fact, column in spec.facts.items()},
        captions=captions,
        weight=float(each[spec.weight]) if spec.weight else 1.0,
    )

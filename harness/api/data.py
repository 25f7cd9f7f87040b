"""Look after data sets: curate one, and tell what changed between two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from harness.api.options import Options, reading, with_options, workspace_of
from harness.pipeline.store.local import Store

if TYPE_CHECKING:
    from harness.pipeline.curate import Curated, OnProgress
    from harness.pipeline.diff_data import Difference


@with_options
def curate(
    page: str | Path,
    out: str | Path | None = None,
    *,
    to: Literal["folder", "webdataset", "parquet"] | None = None,
    again: bool = False,
    on_progress: OnProgress | None = None,
    **options: Unpack[Options],
) -> Curated:
    """Select, caption and bucket the set of a page, and count what is dropped.

    The set is written to `out`, else to .harness/curated/NAME; `to` also writes the images.

    >>> harness.curate("tiny", scratch / "set").document["kept"]
    40
    """
    from harness.pipeline.curate import CurationRequest
    from harness.pipeline.curate import curate as make
    from harness.report.curation import curation_page

    request = CurationRequest(str(page), None if out is None else Path(out), to, again)
    return make(request, curation_page, on_progress=on_progress)


@with_options
@reading
def diff_data(a: str | Path, b: str | Path, **options: Unpack[Options]) -> Difference:
    """Tell which rows one data set has more, fewer or other than another.

    Each side is a folder of images, a curated folder, the key of a data artifact, or a recipe
    whose data is in the store.

    >>> change = harness.diff_data("tiny", "tiny")
    >>> change.same, change.added, change.removed
    (40, (), ())
    """
    from harness.pipeline.diff_data import between

    return between(str(a), str(b), Store(workspace_of(options).store))

"""Send things out of the house: adapters, reference statistics, artifacts and results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from harness.api.options import Options, making, reading, with_options, workspace_of
from harness.interfaces import Report, silent
from harness.pages import benchmark as benchmarks
from harness.pipeline.plan import plan_reference
from harness.pipeline.run import make_all
from harness.pipeline.store.local import Store
from harness.pipeline.store.soundness import keep_if_sound

if TYPE_CHECKING:
    from harness.delivery.export.hub import Hub
    from harness.delivery.export.write import Exported
    from harness.delivery.statistics import Statistics
    from harness.pipeline.store.remote import Moved


@with_options
@reading
def export(
    result: str | Path,
    out: str | Path,
    *,
    to: Literal["diffusers", "kohya"] | str = "diffusers",
    strip_metadata: bool = False,
    push: str | None = None,
    public: bool = False,
    hub: Hub | None = None,
    **options: Unpack[Options],
) -> Exported:
    """Write the adapter of a result for diffusers or for kohya, with a model card.

    `push` is OWNER/NAME on the hub; the upload is private unless `public`.

    >>> written = harness.export(reports / "tiny-v1" / "tiny.json", scratch / "lora")
    >>> written.files[-1].name
    'README.md'
    """
    from harness.delivery.export.write import ExportRequest
    from harness.delivery.export.write import export as write

    store = Store(workspace_of(options).store)
    order = ExportRequest(to, Path(out), strip_metadata, push, public)
    return write(Path(result), store, order, hub)


@with_options
@making
def write_reference(
    benchmark: str | Path, out: str | Path, **options: Unpack[Options]
) -> list[Statistics]:
    """Write the features, mean and covariance of a benchmark's reference, with digests.

    >>> [each.count for each in harness.write_reference("tiny-v1", scratch / "reference")]
    [40]
    """
    from harness.delivery.statistics import write

    steps, settings = plan_reference(benchmarks.load(benchmark)), workspace_of(options).settings()
    make_all(
        steps,
        [step for step in steps.steps if not keep_if_sound(settings.store, step)],
        settings,
    )
    return write(steps, settings.store, Path(out))


@with_options
@reading
def push(
    url: str,
    results: Sequence[str | Path] = (),
    *,
    check: bool = False,
    on_progress: Report = silent,
    **options: Unpack[Options],
) -> Moved:
    """Send what another store lacks: what `results` name, else everything here.

    `url` is a folder or an address such as s3://bucket/folder. With `check`, what is there is
    read, and what is damaged is replaced.

    >>> harness.push(str(scratch / "backup"), [reports / "tiny-v1" / "tiny.json"]).there
    0
    """
    from harness.pipeline.store import remote

    workspace = workspace_of(options)
    named = [Path(each) for each in results]
    return remote.push(url, workspace.open_store(), workspace.reports, named, on_progress, check)


@with_options
@making
def pull(
    url: str,
    *,
    on_progress: Report = silent,
    **options: Unpack[Options],
) -> Moved:
    """Fetch what is missing here from another store, and refuse damaged files.

    >>> sent = harness.push(str(scratch / "copy"), [reports / "tiny-v1" / "tiny.json"])
    >>> back = harness.pull(str(scratch / "copy"), store=scratch / "s", reports=scratch / "r")
    >>> back.artifacts == sent.artifacts
    True
    """
    from harness.pipeline.store import remote

    workspace = workspace_of(options)
    return remote.pull(url, workspace.open_store(), workspace.reports, on_progress)

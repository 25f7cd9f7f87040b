"""The command that draws on demand."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    ReportsDir,
    StoreDir,
    app,
    guarded,
    place_of,
)
from harness.errors import MissingPrerequisite


@app.command()
@guarded
def serve(
    source: Annotated[Path, typer.Argument(help="A result file, or a LoRA (.safetensors).")],
    base: Annotated[str | None, typer.Option(help="The base that the LoRA was made for.")] = None,
    benchmark: BenchmarkName = None,
    host: Annotated[str, typer.Option(help="Who may ask; 0.0.0.0 is everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8700,
    queue: Annotated[int, typer.Option(min=1, help="How many may wait.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Images that are drawn together.")] = 8,
    max_side: Annotated[int, typer.Option(min=32, help="Pixels of an image's side.")] = 1536,
    max_steps: Annotated[int, typer.Option(min=1, help="Sampler steps of a request.")] = 60,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
) -> None:
    """Prompts to images over HTTP, drawn as the result was: POST /images, on this machine alone."""
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingPrerequisite(f"serve needs {package}", hint="pip install 'harness[serve]'")
    from harness import api
    from harness.delivery.service.app import Limits
    from harness.delivery.service.model import model_of
    from harness.delivery.service.run import Post
    from harness.delivery.service.run import serve as run
    from harness.pages import benchmark as benchmarks
    from harness.pipeline.store.local import Store

    default = "pocket-v1" if (base or "").startswith("pocket/") else "naruto-v1"
    judgement = None if source.suffix == ".json" else benchmarks.load(benchmark or default)
    model = model_of(source, base, judgement, Store(place_of(store).store))
    limits = Limits(side=max_side, steps=max_steps)
    run(model, api.resolve_device(device.value), Post(host, port, queue, batch), limits)

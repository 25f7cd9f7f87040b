"""Write one adapter as others read it: `diffusers` and PEFT, or `kohya` and the interfaces."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.delivery.export import metadata, model_card
from harness.delivery.export.hub import Hub, check_name, push
from harness.delivery.export.trained_adapter import TrainedAdapter, find_adapter
from harness.diffusion.adapter_reader import read_parts
from harness.diffusion.adapter_writer import (
    FILE,
    change_tensors,
    diffusers_tensors,
    digest_of,
    kohya_tensors,
    write_tensors,
)
from harness.diffusion.layer_names import SDXL, Blocks, blocks_of, kohya_name
from harness.diffusion.merged_layers import as_interfaces_read
from harness.diffusion.tokens import FILE as EMBEDDINGS
from harness.errors import UsageError
from harness.files import write_text
from harness.pages.recipe import Base
from harness.pipeline.store.local import Store
from harness.pocket import locate

FORMS = ("diffusers", "kohya")
CARD = "README.md"


@dataclass(frozen=True)
class ExportRequest:
    """In which form, where to, and whether to put it on the hub."""

    form: str
    out: Path
    strip: bool = False
    """Leave only the metadata that loaders need."""
    push: str | None = None
    public: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written, and where it was put on the hub."""

    files: tuple[Path, ...]
    url: str | None = None


def export(result: Path, store: Store, request: ExportRequest, hub: Hub | None = None) -> Exported:
    """Write the adapter that a result judged, with its card; push it only where asked."""
    _check(request)
    trained = find_adapter(result, store)
    _check_kind(trained, request.form)
    names = _names(trained, request.form)
    _check_free(request.out, names)
    request.out.mkdir(parents=True, exist_ok=True)
    _write_weights(trained, request, request.out / names[0])
    if EMBEDDINGS in names:
        shutil.copyfile(trained.folder / EMBEDDINGS, request.out / EMBEDDINGS)
    if request.form == "kohya":
        write_text(request.out / f"{trained.name}.json", metadata.sidecar(trained))
    write_text(
        request.out / CARD, model_card.card(trained, request.form, names, request.push or ".")
    )
    url = push(request.out, names, request.push, request.public, hub) if request.push else None
    return Exported(tuple(request.out / name for name in names), url)


def _check(request: ExportRequest) -> None:
    if request.form not in FORMS:
        raise UsageError(f"there is no form {request.form!r}", hint=" or ".join(FORMS))
    if request.push is not None:
        check_name(request.push)
    elif request.public:
        raise UsageError("--public says nothing without --push", hint="--push OWNER/NAME")


def _check_kind(trained: TrainedAdapter, form: str) -> None:
    adapter = trained.spec.train.adapter
    if form == "diffusers" and adapter is not None and adapter.use != "lora":
        raise UsageError(
            f"diffusers loads no {adapter.use} by itself", hint="export it with --to kohya"
        )


def _names(trained: TrainedAdapter, form: str) -> tuple[str, ...]:
    """Return the files of an export, the weights first."""
    tokens = [EMBEDDINGS] if (trained.folder / EMBEDDINGS).is_file() else []
    if form == "diffusers":
        return ("pytorch_lora_weights.safetensors", *tokens, CARD)
    return (f"{trained.name}.safetensors", f"{trained.name}.json", *tokens, CARD)


def _check_free(out: Path, names: tuple[str, ...]) -> None:
    """Refuse to write over anything but an earlier export."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", hint="give a folder")
    there = [name for name in names if (out / name).exists()]
    page = out / CARD
    ours = page.is_file() and model_card.MARK in page.read_text(encoding="utf-8", errors="replace")
    if there and not ours:
        raise UsageError(
            f"{out / there[0]} is there already, and no export of ours", hint="give an empty folder"
        )


def _write_weights(trained: TrainedAdapter, request: ExportRequest, file: Path) -> None:
    tensors, needed = _tensors(trained, request)
    described = (
        metadata.required(trained)
        if request.strip
        else metadata.complete(trained, digest_of(tensors))
    )
    write_tensors(tensors, file, described | needed)


def _tensors(
    trained: TrainedAdapter, request: ExportRequest
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors in the form asked for, and the metadata that its readers need."""
    read, base = read_parts(trained.folder / FILE), trained.spec.base
    if request.form == "diffusers":
        return diffusers_tensors(read.layers)
    blocks = _blocks(base)
    if not read.changes:
        return kohya_tensors(read.layers, blocks), {}
    changes = as_interfaces_read(read.changes, base)
    tensors, _ = change_tensors(changes, lambda part, name: kohya_name(part, name, blocks))
    return tensors, {}


def _blocks(base: Base) -> Blocks:
    """Return how the base's UNet is cut up; what is no folder here is cut up as SDXL is."""
    file = Path(locate(base.model)) / "unet" / "config.json"
    return blocks_of(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else SDXL

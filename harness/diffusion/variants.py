"""Which of a model's weight files are read: the plain ones, or those in half precision.

Many repositories hold both, and some only `*.fp16.*`. What is there is seen by listing a folder,
or a repository of the hub; without a network, what is kept of it on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

import torch
from huggingface_hub import HfApi, snapshot_download

_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_)?model(?:\.(fp16|bf16))?(?:-\d+-of-\d+)?(?:\.(fp16|bf16))?\.safetensors"
)
"""The weights of one model, in one file or several; the older of two forms ends in the variant."""
_OWN = {torch.float16: "fp16", torch.bfloat16: "bf16"}


def variant_of(files: Iterable[str], subfolder: str | None, dtype: torch.dtype) -> str | None:
    """Return the variant to load of a model, given the files of its repository; None: the plain.

    Files in the run's own numbers come first, since they are half the size and hold the same
    values; then the plain ones; then whatever there is.
    """
    there = set()
    for file in map(PurePosixPath, files):
        match = _WEIGHTS.fullmatch(file.name)
        if match is not None and file.parent == PurePosixPath(subfolder or "."):
            there.add(match[1] or match[2])
    own = _OWN.get(dtype)
    if own in there or None in there or not there:
        return own if own in there else None
    return "fp16" if "fp16" in there else "bf16"


def files_of(path: str, revision: str | None) -> tuple[str, ...]:
    """Return the names of a model's files, in a folder or a repository; none if unknown."""
    folder = Path(path)
    if folder.is_dir():
        return tuple(file.relative_to(folder).as_posix() for file in folder.rglob("*.safetensors"))
    return _of_repository(path, revision)


@cache
def _of_repository(name: str, revision: str | None) -> tuple[str, ...]:
    try:
        return tuple(HfApi().list_repo_files(name, revision=revision))
    except Exception:  # no network, or no such repository: loading says which
        return _kept(name, revision)


def _kept(name: str, revision: str | None) -> tuple[str, ...]:
    """Return the files that this machine keeps of a repository."""
    try:
        folder = snapshot_download(name, revision=revision, local_files_only=True)
    except (OSError, ValueError):
        return ()
    return files_of(folder, None)

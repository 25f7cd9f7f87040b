"""Repositories of the Hugging Face hub: which names are some, and at which commit one is read.

A name without a revision means the commit that this machine keeps, so that two runs here see
alike; `hf download NAME` moves it. What is not kept yet is fetched from the main branch.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.extractors.weights import FILES
from harness.pocket import is_pocket

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_repository(name: str) -> bool:
    """Return whether a model's name can only be one of the hub's; nothing is looked up there."""
    place = Path(name)
    if is_pocket(name) or place.suffix in FILES or place.exists():
        return False
    return _NAME.fullmatch(name) is not None


def is_commit(revision: str | None) -> bool:
    """Return whether a revision can never mean other files."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def commit_of(name: str, revision: str | None = None) -> str | None:
    """Return the commit at which this machine keeps a repository; None where it keeps none."""
    if not is_repository(name):
        return None
    if is_commit(revision):
        return revision
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")
    kept = folder / "refs" / (revision or "main")
    commit = kept.read_text(encoding="utf-8", errors="replace").strip() if kept.is_file() else None
    return commit if is_commit(commit) else None  # a page may name a place outside of the cache


def revision_of(name: str, revision: str | None = None) -> str | None:
    """Return what makes a library read the commit that `commit_of` tells before or after."""
    return commit_of(name, revision) or revision

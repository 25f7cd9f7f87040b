"""Repositories of the hub as this machine keeps them, made of folders: no network is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants


class KeptHub:
    """A cache of the hub with repositories that a test writes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))

    def keep(self, name: str, content: Path, commit: str, ref: str = "main") -> None:
        """Keep a folder as a repository at a commit, which `ref` means from now on."""
        kept = self._folder / f"models--{name.replace('/', '--')}"
        shutil.copytree(content, kept / "snapshots" / commit, dirs_exist_ok=True)
        (kept / "refs").mkdir(exist_ok=True)
        (kept / "refs" / ref).write_text(commit)

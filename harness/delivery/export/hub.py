"""Put an export on the Hugging Face hub: only where asked, and private unless told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from huggingface_hub import HfApi

from harness.errors import HarnessError, MissingPrerequisite, UsageError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class Hub(Protocol):
    """The part of `huggingface_hub.HfApi` that we speak to."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any: ...
    def repo_info(self, repo_id: str) -> Any: ...
    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ) -> Any: ...


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a repository."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(f"{name!r} is no place on the hub", hint="--push OWNER/NAME")


def push(
    folder: Path, files: tuple[str, ...], name: str, public: bool, hub: Hub | None = None
) -> str:
    """Upload `files` of `folder` and nothing else; return where they can be seen."""
    check_name(name)
    api: Hub = HfApi() if hub is None else hub
    try:
        api.create_repo(name, private=not public, exist_ok=True)
        if not public and not api.repo_info(name).private:
            raise UsageError(
                f"{name} is there already, and public", hint="choose another name, or add --public"
            )
        api.upload_folder(
            repo_id=name,
            folder_path=str(folder),
            allow_patterns=list(files),
            commit_message="Add a LoRA trained and judged by harness",
        )
    except (OSError, ValueError) as error:  # the hub's errors are OSErrors, or say what is wrong
        raise _failed(name, error) from error
    return f"https://huggingface.co/{name}"


def _failed(name: str, error: Exception) -> HarnessError:
    text = str(error).strip()
    what = text.splitlines()[0][:160] if text else type(error).__name__
    return MissingPrerequisite(
        f"{name} cannot be written: {what}",
        hint="log in with `hf auth login` or set HF_TOKEN, and check the network; "
        "the files lie where you asked",
    )

"""Damaged artifacts: found before anything reads them, set aside with a word, and made again.

Every file of an artifact is compared with the digest in its manifest, once a process and again
where the file system says that it was touched.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from harness.errors import StoreError
from harness.fingerprint import digest_bytes, digest_input
from harness.pipeline.store.local import Store, damage, read_artifact
from harness.records import Artifact, Step

AGAIN = "remove the folder and run again"
log = logging.getLogger(__name__)


def keep_if_sound(store: Store, step: Step) -> bool:
    """Return whether a step's artifact is there and sound; one that is damaged is set aside."""
    folder = store.folder(step)
    if not store.has(step):
        return False
    if _first_damage(folder) is None:
        return True
    with store.lock(step.key, f"another process is making {step.name} of {step.subject}").held():
        what = _first_damage(folder) if store.has(step) else "it is gone"
        if what is None:
            return True  # another process has made it again meanwhile
        set_aside(store, folder)
    log.warning(
        "%s of %s is damaged and is made again: %s (set aside in %s)",
        *(step.name, step.subject or step.key[:12], what, store.damaged),
    )
    return False


def require_sound(artifact: Artifact) -> Artifact:
    """Return an artifact, or refuse one that is damaged."""
    problems = damage(artifact, digest_input)
    if problems:
        raise StoreError(problems[0], hint=AGAIN)
    return artifact


def read_sound(artifact: Artifact, name: str) -> bytes:
    """Return the bytes of one file of an artifact, which are those that its manifest names."""
    file = artifact.path / name
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StoreError(
            f"cannot be read: {error.strerror}", where=str(file), hint=AGAIN
        ) from error
    if digest_bytes(data) != artifact.manifest["files"].get(name):
        raise StoreError("has changed since it was made", where=str(file), hint=AGAIN)
    return data


def _first_damage(folder: Path) -> str | None:
    try:
        problems = damage(read_artifact(folder), digest_input)
    except StoreError as error:
        return str(error)
    return problems[0] if problems else None


def set_aside(store: Store, folder: Path) -> None:
    """Move an artifact out of the reach of every step; another one that lay there goes."""
    aside = store.damaged / folder.name
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process was faster
        folder.replace(aside)

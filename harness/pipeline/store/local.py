"""The write-once store: finished folders by key, and nothing half-finished among them.

A step works in `work/<key>`, which outlives a kill so that the step can go on where it stopped.
When it is done, the manifest is written last and the folder is renamed into place.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.files import remove_parts, write_json
from harness.fingerprint import VERSION, digest, digest_file
from harness.keys import described
from harness.pipeline.store.locks import Lock
from harness.records import Artifact, Step

MANIFEST = "manifest.json"
_KEY = re.compile(r"[0-9a-f]{64}")
PACKAGES = ("torch", "diffusers", "transformers", "peft", "open-clip-torch", "numpy", "pillow")


class Store:
    """Artifacts below one folder."""

    def __init__(self, root: Path, wait: bool = True) -> None:
        """Take the folder, and whether to `wait` where another process is in the way."""
        self.root, self._wait = root, wait

    @contextmanager
    def hold(self, what: str, writes: bool = True) -> Iterator[None]:
        """Keep `gc` away from all artifacts while the block runs, which does `what`.

        Any number of processes may hold a store. One that `writes` nothing makes no folder for it.
        """
        if not writes and not self.root.is_dir():
            yield
            return
        with self._lock(what, alone=False).held():
            yield

    @contextmanager
    def hold_alone(self, what: str, anyway: bool = False) -> Iterator[None]:
        """Keep every other process away from all artifacts while the block runs.

        `anyway` is to go on where the file system keeps no locks.
        """
        with self._lock(what, alone=True).held(required=not anyway):
            yield

    def _lock(self, what: str, alone: bool) -> Lock:
        busy = f"{self.root} is in use"
        return Lock(self.root / "locks" / "store.lock", busy, what, alone, self._wait)

    def folder(self, step: Step) -> Path:
        return self.root / step.stage / step.key[:2] / step.key

    def work(self, step: Step) -> Path:
        return self.root / "work" / step.key

    @property
    def logs(self) -> Path:
        """Return the folder of the logs of steps under way; they are part of no artifact."""
        return self.root / "logs"

    @property
    def rows(self) -> Path:
        """Return the folder of features by the content of their image: a cache, no artifact."""
        return self.root / "rows"

    @property
    def damaged(self) -> Path:
        """Return the folder of artifacts that were found damaged; nothing reads them."""
        return self.root / "damaged"

    def log(self, step: Step, facts: Mapping[str, Any]) -> None:
        """Add a line to the log of a step."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{step.key}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dict(facts)) + "\n")

    def has(self, step: Step) -> bool:
        return (self.folder(step) / MANIFEST).is_file()

    def get(self, step: Step) -> Artifact:
        """Return the artifact of a step that was made."""
        return read_artifact(self.folder(step))

    def find(self, key: str) -> Path | None:
        """Return the folder of an artifact by its key alone, where it is there."""
        manifests = self.root.glob(f"*/{key[:2]}/{key}/{MANIFEST}")
        return next((file.parent for file in manifests), None)

    def get_or_make(
        self,
        step: Step,
        work: Callable[[Path], None],
        facts: Mapping[str, Any] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Artifact:
        """Return the artifact of `step`, running `work` only where it is missing.

        `facts` go into its provenance. While another process makes it, this one waits, and `check`
        may raise to end that.
        """
        if self.has(step):
            return self.get(step)
        busy = f"another process is making {step.name} of {step.subject}"
        with self.lock(step.key, busy).held(check):
            if not self.has(step):
                folder = self.work(step)
                folder.mkdir(parents=True, exist_ok=True)
                began = time.monotonic()
                work(folder)
                seconds = round(time.monotonic() - began, 3)
                self._finish(step, folder, {"seconds": seconds, **(facts or {})})
        return self.get(step)

    def _finish(self, step: Step, folder: Path, facts: Mapping[str, Any]) -> None:
        for scratch in folder.glob("scratch*"):
            shutil.rmtree(scratch) if scratch.is_dir() else scratch.unlink()
        remove_parts(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        manifest: dict[str, Any] = {
            "schema_version": 1,
            "stage": step.stage,
            "version": step.version,
            "key": step.key,
            "spec": described(step.spec),
            "inputs": dict(step.inputs),
            "files": {
                file.relative_to(folder).as_posix(): digest_file(file)
                for file in files
                if file.name != MANIFEST
            },
            "contents": self._contents(step.inputs),
            "provenance": {**provenance(), **facts},
        }
        write_json(folder / MANIFEST, {**manifest, "digest": _sealed(manifest)})
        finished = self.folder(step)
        finished.parent.mkdir(parents=True, exist_ok=True)
        if finished.exists():
            shutil.rmtree(finished)  # a folder without its manifest: never finished
        folder.replace(finished)

    def lock(self, key: str, busy: str) -> Lock:
        """Return the lock of the process that makes or fetches the artifact of a key."""
        return Lock(self.root / "locks" / f"{key}.lock", busy, wait=self._wait)

    def _contents(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the digest of what each input holds, so that another one is noticed."""
        folders = {part: self.find(key) for part, key in inputs.items()}
        return {
            part: content_of(read_artifact(folder)) for part, folder in folders.items() if folder
        }

    def artifacts(self) -> Iterator[Artifact]:
        """Yield every finished artifact."""
        for manifest in sorted(self.root.glob(f"*/??/*/{MANIFEST}")):
            yield read_artifact(manifest.parent)

    def leftovers(self) -> list[Path]:
        """Return the work folders of steps that never finished, and what was set aside."""
        places = (self.root / "work", self.damaged)
        folders = (path for place in places for path in place.glob("*") if path.is_dir())
        return sorted(path for path in folders if _KEY.fullmatch(path.name))


def read_artifact(folder: Path) -> Artifact:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        artifact = Artifact(manifest["key"], folder, manifest)
        manifest["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            "holds no readable manifest", where=str(folder), hint="remove the folder and run again"
        ) from error
    if not is_as_written(manifest):
        raise StoreError(
            "holds a manifest that has changed since it was made",
            where=str(folder),
            hint="remove the folder and run again",
        )
    return artifact


def is_as_written(manifest: Mapping[str, Any]) -> bool:
    """Return whether a manifest has the digest that it carries; older ones carry none."""
    digest_then = manifest.get("digest")
    bare = {name: part for name, part in manifest.items() if name != "digest"}
    return digest_then is None or digest_then == _sealed(bare)


def _sealed(manifest: Mapping[str, Any]) -> str:
    """Return the digest of a manifest as it will be read again."""
    return digest(json.loads(json.dumps(manifest)))


def content_of(artifact: Artifact) -> str:
    """Return the digest of what an artifact is and holds; when and where it was made is left out.

    What was made again to the same bytes has the same.
    """
    return digest([artifact.key, artifact.manifest["files"]])


def damage(artifact: Artifact, digest_of: Callable[[Path], str] = digest_file) -> list[str]:
    """Return what differs between an artifact's files and its manifest."""
    manifest = artifact.manifest
    made_of = [manifest.get(name) for name in ("stage", "version", "spec", "inputs")]
    if artifact.path.name != artifact.key or digest(made_of) != artifact.key:
        return [f"{artifact.path} is not the artifact that it is filed as"]
    problems = []
    listed = manifest["files"]
    for name, expected in listed.items():
        file = artifact.path / name
        if not file.is_file():
            problems.append(f"{file} is missing")
        elif _digest_or_reason(file, digest_of) != expected:
            problems.append(f"{file} has changed since it was made")
    present = {
        file.relative_to(artifact.path).as_posix()
        for file in artifact.path.rglob("*")
        if file.is_file() and file.name != MANIFEST
    }
    return problems + [
        f"{artifact.path / name} was added" for name in sorted(present - set(listed))
    ]


def _digest_or_reason(file: Path, digest_of: Callable[[Path], str]) -> str:
    try:
        return digest_of(file)
    except OSError as error:  # a disk that cannot read it any more
        return str(error)


def provenance() -> dict[str, Any]:
    """Return when and with what a step ran; it is recorded and never part of a key."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "harness": VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }

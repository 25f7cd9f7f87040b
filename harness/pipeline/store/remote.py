"""A store and its results elsewhere: on an object store, a share, or whatever fsspec can reach.

An artifact's manifest is sent last, so an artifact that has one is whole. What the other side has
is not sent again, and a transfer that was cut goes on where it stopped. On arrival, every file must
have the digest that its manifest names, and the manifest the key that it is filed under. A push
that checks finds what was changed on the other side and sends it anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import MissingPrerequisite, StoreError, UsageError
from harness.escaping import command, without_secrets
from harness.files import remove_parts, whole, write_text
from harness.fingerprint import digest, digest_file
from harness.interfaces import Progress, Report, silent
from harness.pipeline.results.file import ResultFile, is_of_a_result, result_files
from harness.pipeline.stages import STAGES
from harness.pipeline.store.local import MANIFEST, Store, damage
from harness.records import Artifact

AT_ONCE = 8
"""Files under way together."""
FOLDERS = ("store", "reports")
"""What a push makes there."""
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Moved:
    """What a transfer did."""

    artifacts: int
    """Sent or fetched now."""
    there: int
    """Those that the other side had."""
    files: int
    bytes: int
    results: int
    differ: tuple[str, ...] = ()
    """Results that both sides have, and not the same: neither was touched."""


class Remote:
    """A folder somewhere, with `store/` and `reports/` in it."""

    def __init__(self, url: str) -> None:
        self.files, self.root = _reached(url)
        self.url = url

    @property
    def mending(self) -> str:
        """Return what to do about an artifact that is damaged there."""
        again = command("store push", without_secrets(self.url), options=["--check"])
        return f"where it is whole: `{again}`"

    def path(self, *parts: str) -> str:
        return "/".join((self.root.rstrip("/"), *parts))

    def size(self, path: str) -> int | None:
        """Return the bytes of a file that is there."""
        try:
            size: int = self.files.info(path)["size"]
        except FileNotFoundError:
            return None
        return size

    def digest(self, path: str) -> str | None:
        """Return the sha256 of a file that is there; all of it is read."""
        try:
            with self.files.open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    def is_there(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        try:
            self.files.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def send(self, file: Path, path: str) -> int:
        """Write a file, over one that may be there; return the bytes that went."""
        self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.files.put_file(str(file), path)
        return file.stat().st_size

    def fetch(self, path: str, file: Path) -> int:
        with whole(file, flush=False) as part:
            self.files.get_file(path, str(part))
        return file.stat().st_size

    def list(self, pattern: str) -> list[str]:
        """Return what is there below the root, relative to it."""
        start = self.path("")
        paths = self.files.glob(self.path(pattern))
        return sorted(
            str(path).rpartition(start)[2] if start in str(path) else str(path) for path in paths
        )


def _reached(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        files, root = url_to_fs(url)
    except ImportError as error:
        what = without_secrets(str(error))[:200]
        raise MissingPrerequisite(what, where=without_secrets(url)) from None
    except ValueError as error:
        raise UsageError(
            without_secrets(f"{url} cannot be reached: {error}"),
            hint="such as s3://bucket/folder or a folder",
        ) from None
    return files, root


def push(
    url: str,
    store: Store,
    reports: Path,
    named: Sequence[Path] = (),
    report: Report = silent,
    check: bool = False,
) -> Moved:
    """Send the artifacts and results that the other side lacks; of `named` results, only theirs.

    To `check` is to read what is there, and to send anew what is not as its manifest says.
    """
    with store.hold("store push", writes=False):
        return _push(Remote(url), store, reports, named, report, check)


def _push(
    remote: Remote,
    store: Store,
    reports: Path,
    named: Sequence[Path],
    report: Report,
    check: bool,
) -> Moved:
    results = [ResultFile(path) for path in named] or list(result_files(reports))
    chosen = _chosen(store, results if named else None)
    sent, sizes, there = 0, [], 0
    for number, artifact in enumerate(chosen):
        if _is_there(remote, artifact, check):
            there += 1
        else:
            sizes += _send(remote, artifact)
            sent += 1
        report(Progress(number + 1, len(chosen), "artifacts"))
    count, differ = _send_results(remote, results, reports)
    return Moved(sent, there, sum(map(bool, sizes)), sum(sizes), count, tuple(differ))


def _chosen(store: Store, named: Sequence[ResultFile] | None) -> list[Artifact]:
    if named is None:
        return list(store.artifacts())
    keys = {key for file in named for key in file.result.keys.values()}
    return [artifact for artifact in store.artifacts() if artifact.key in keys]


def _filed(remote: Remote, artifact: Artifact, name: str = MANIFEST) -> str:
    key = artifact.key
    return remote.path("store", artifact.manifest["stage"], key[:2], key, name)


def _is_there(remote: Remote, artifact: Artifact, check: bool) -> bool:
    """Return whether the other side has an artifact, as this one or as another machine made it."""
    if not remote.is_there(_filed(remote, artifact)):
        return False
    return not check or _is_whole(remote, artifact)


def _is_whole(remote: Remote, artifact: Artifact) -> bool:
    """Return whether an artifact is there as its manifest there says, to the byte."""
    try:
        _, manifest = _manifest(remote, artifact.manifest["stage"], artifact.key)
    except StoreError:
        return False
    paths = [_filed(remote, artifact, name) for name in manifest["files"]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(remote.digest, paths)) == list(manifest["files"].values())


def _send(remote: Remote, artifact: Artifact) -> list[int]:
    """Send an artifact's files, and its manifest when they are there.

    A file that another push has left is kept where its bytes are the same: its size proves nothing.
    """
    wrong = damage(artifact)
    if wrong:
        raise StoreError(
            f"is not sent: {wrong[0]}",
            where=str(artifact.path),
            hint="remove the folder and run again",
        )
    last = _filed(remote, artifact)
    if remote.is_there(last):
        remote.files.rm_file(last)  # so that nothing half mended passes for whole

    def send(name: str) -> int:
        file, path = artifact.path / name, _filed(remote, artifact, name)
        is_alike = remote.size(path) == file.stat().st_size
        if is_alike and remote.digest(path) == artifact.manifest["files"][name]:
            return 0
        return remote.send(file, path)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = list(pool.map(send, artifact.manifest["files"]))
    return [*sizes, remote.send(artifact.path / MANIFEST, last)]


def _send_results(
    remote: Remote, results: Sequence[ResultFile], reports: Path
) -> tuple[int, list[str]]:
    """Send results and what belongs to them; return how many files went, and which differ there.

    Histories and votes stay: they grow line by line on each machine, and a copy would lose some.
    """
    sent, differ = 0, []
    for file in [each for one in results for each in one.files()]:
        name = _below(file, reports)
        path = remote.path("reports", name)
        if remote.size(path) is None:
            remote.send(file, path)
            sent += 1
        elif not _is_same(remote, path, file):
            differ.append(name)
    return sent, differ


def _is_same(remote: Remote, path: str, file: Path) -> bool:
    return remote.size(path) == file.stat().st_size and remote.digest(path) == digest_file(file)


def _below(file: Path, reports: Path) -> str:
    try:
        return file.resolve().relative_to(reports.resolve()).as_posix()
    except ValueError:
        raise UsageError(f"{file} lies outside {reports}", hint="give its --reports") from None


def pull(url: str, store: Store, reports: Path, report: Report = silent) -> Moved:
    """Fetch the artifacts and results that are missing here; what arrives damaged is refused."""
    with store.hold("store pull"):
        return _pull(Remote(url), store, reports, report)


def _pull(remote: Remote, store: Store, reports: Path, report: Report) -> Moved:
    if not any(remote.is_there(remote.path(folder)) for folder in FOLDERS):
        raise UsageError(
            "holds neither store/ nor reports/, which a push makes",
            where=without_secrets(remote.url),
            hint="is this the address that was pushed to?",
        )
    manifests = remote.list(f"store/*/??/*/{MANIFEST}")
    fetched, sizes, there = 0, [], 0
    for number, name in enumerate(manifests):
        _, stage, _, key, _ = name.split("/")
        new = _fetch_missing(remote, store, stage, key)
        if new is None:
            there += 1
        else:
            sizes += new
            fetched += 1
        report(Progress(number + 1, len(manifests), "artifacts"))
    count, differ = _fetch_results(remote, reports)
    return Moved(fetched, there, len(sizes), sum(sizes), count, tuple(differ))


def _fetch_missing(remote: Remote, store: Store, stage: str, key: str) -> list[int] | None:
    """Fetch an artifact, alone; None where it is there, or another process has put it there."""
    manifest = store.root / stage / key[:2] / key / MANIFEST
    if manifest.is_file():
        return None
    with store.lock(key, f"another process is making {stage} {key[:12]}").held():
        return None if manifest.is_file() else _fetch(remote, store, stage, key)


def _fetch(remote: Remote, store: Store, stage: str, key: str) -> list[int]:
    """Fetch one artifact beside the store, and move it into the store when it is proven."""
    text, manifest = _manifest(remote, stage, key)
    source = remote.path("store", stage, key[:2], key)
    folder = store.root / "arrivals" / key

    def fetch(name: str) -> int:
        return _fetch_file(remote, f"{source}/{name}", folder / name, manifest["files"][name])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = list(pool.map(fetch, manifest["files"]))
    remove_parts(folder)
    write_text(folder / MANIFEST, text)
    folder_here = store.root / stage / key[:2] / key
    folder_here.parent.mkdir(parents=True, exist_ok=True)
    if not (folder_here / MANIFEST).is_file():
        if folder_here.exists():
            shutil.rmtree(folder_here)  # a folder without its manifest: never finished
        folder.replace(folder_here)
    return [size for size in sizes if size]


def _fetch_file(remote: Remote, path: str, file: Path, expected: str) -> int:
    if file.is_file() and digest_file(file) == expected:
        return 0
    size = remote.fetch(path, file)
    if digest_file(file) != expected:
        file.unlink()
        raise StoreError(
            "is not what its manifest says: it was changed or cut on its way",
            where=without_secrets(path),
            hint=remote.mending,
        )
    return size


def _manifest(remote: Remote, stage: str, key: str) -> tuple[str, Mapping[str, Any]]:
    """Return a manifest there, as text too: one that is what it is filed under.

    It names no file outside its folder.
    """
    folder = remote.path("store", stage, key[:2], key)
    where = without_secrets(folder)
    raw = remote.files.cat_file(f"{folder}/{MANIFEST}")
    try:
        text = raw.decode("utf-8")
        manifest: dict[str, Any] = json.loads(text)
        parts = [manifest[name] for name in ("stage", "version", "spec", "inputs")]
        names = list(manifest["files"].keys())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError("holds no readable manifest", where=where, hint=remote.mending) from error
    honest = stage in STAGES and _KEY.fullmatch(key) and manifest.get("key") == key
    if not honest or digest(parts) != key or not all(map(_is_inside, names)):
        raise StoreError(
            "is not the artifact that it is filed as", where=where, hint=remote.mending
        )
    return text, manifest


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and bool(name)


def _fetch_results(remote: Remote, reports: Path) -> tuple[int, list[str]]:
    """Fetch what is missing here: each result after all that belongs to it."""
    fetched, differ = 0, []
    names = [name.removeprefix("reports/") for name in remote.list("reports/**")]
    wanted = [name for name in names if _is_inside(name) and is_of_a_result(name)]
    for name in sorted(wanted, key=lambda name: (name.endswith(".json"), name)):
        file, path = reports / name, remote.path("reports", name)
        if not file.is_file():
            remote.fetch(path, file)
            fetched += 1
        elif not _is_same(remote, path, file):
            differ.append(name)
    return fetched, differ

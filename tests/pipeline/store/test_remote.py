"""A store elsewhere: whole or not there, sent once, and checked when it arrives."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from running import Command, House

from harness import compare
from harness.errors import StoreError, UsageError
from harness.keys import make_step
from harness.pages.stages import TreatSpec
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import TABLES
from harness.pipeline.store import remote
from harness.pipeline.store.local import Store
from harness.records import Artifact
from harness.report.comparison import comparison_document
from harness.views.reports_index import ReportsIndex

PUBLISHED = Path(__file__).parents[3] / "reports"


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid4().hex}" if request.param == "memory" else f"file://{tmp_path}/far"


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return filled(tmp_path / "here")


def filled(root: Path, shade: int = 0) -> Store:
    """Return a store with two artifacts of two files each; their bytes are of one `shade`."""
    store = Store(root)
    for count in (1, 2):
        step = make_step("sample", "sample", 1, TreatSpec(count=count))

        def work(folder: Path, count: int = count) -> None:
            (folder / "images").mkdir()
            for number in range(2):
                picture = bytes([count + shade, number]) * 500
                (folder / "images" / f"{number}.png").write_bytes(picture)

        store.get_or_make(step, work)
    return store


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "a-v1").mkdir(parents=True)
    (folder / "a-v1" / "ink.json").write_text('{"some": "result"}')
    (folder / "a-v1" / "ink.samples.parquet").write_bytes(b"table")
    return folder


def contents(store: Store) -> dict[str, bytes]:
    return {
        str(file.relative_to(store.root)): file.read_bytes()
        for file in sorted(store.root.glob("sample/**/*"))
        if file.is_file()
    }


def first(store: Store) -> Artifact:
    return next(store.artifacts())


def test_what_was_pushed_comes_back_to_the_byte(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    sent = remote.push(url, here, reports)
    assert (sent.artifacts, sent.there, sent.files, sent.results) == (2, 0, 6, 2)
    there = Store(tmp_path / "there")
    fetched = remote.pull(url, there, tmp_path / "results")
    assert (fetched.artifacts, fetched.there, fetched.results) == (2, 0, 2)
    assert contents(there) == contents(here)
    assert len(contents(there)) == 6
    assert (tmp_path / "results/a-v1/ink.samples.parquet").read_bytes() == b"table"


def test_what_is_there_is_not_sent_again(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    again = remote.push(url, here, reports)
    assert (again.artifacts, again.there, again.bytes, again.results) == (0, 2, 0, 0)
    there = Store(tmp_path / "there")
    remote.pull(url, there, reports)
    assert remote.pull(url, there, reports).artifacts == 0


def test_a_cut_transfer_is_no_artifact_and_goes_on(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    key = first(here).key
    files.rm(f"{root}/store/sample/{key[:2]}/{key}/manifest.json")
    files.rm(f"{root}/store/sample/{key[:2]}/{key}/images/1.png")
    assert remote.pull(url, Store(tmp_path / "there"), reports).artifacts == 1
    again = remote.push(url, here, reports)
    assert (again.artifacts, again.files) == (1, 2)


def test_a_pull_goes_on_from_the_files_that_arrived(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    artifact, there = first(here), Store(tmp_path / "there")
    half = there.root / "arrivals" / artifact.key / "images" / "0.png"
    half.parent.mkdir(parents=True)
    half.write_bytes((artifact.path / "images" / "0.png").read_bytes())
    assert remote.pull(url, there, reports).files == 3
    assert contents(there) == contents(here)


def test_a_file_changed_on_its_way_is_refused_and_not_kept(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    key = first(here).key
    files.pipe_file(f"{root}/store/sample/{key[:2]}/{key}/images/1.png", b"x" * 1000)
    there = Store(tmp_path / "there")
    with pytest.raises(StoreError, match="changed or cut on its way"):
        remote.pull(url, there, reports)
    assert not there.find(key)
    assert not list(there.root.glob("arrivals/*/images/1.png"))


def test_what_was_changed_there_is_sent_anew_by_a_push_that_checks(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    key = first(here).key
    files.pipe_file(f"{root}/store/sample/{key[:2]}/{key}/images/1.png", b"x" * 1000)
    assert remote.push(url, here, reports).there == 2
    mended = remote.push(url, here, reports, check=True)
    assert (mended.artifacts, mended.there, mended.files) == (1, 1, 2)
    there = Store(tmp_path / "there")
    assert remote.pull(url, there, reports).artifacts == 2
    assert contents(there) == contents(here)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b'{"key": "other"}'])
def test_an_unreadable_manifest_is_mended_too(
    text: bytes, url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    key = first(here).key
    files.pipe_file(f"{root}/store/sample/{key[:2]}/{key}/manifest.json", text)
    with pytest.raises(StoreError, match=r"no readable manifest.*--check"):
        remote.pull(url, Store(tmp_path / "there"), reports)
    mended = remote.push(url, here, reports, check=True)
    assert (mended.artifacts, mended.files) == (1, 1)
    assert remote.pull(url, Store(tmp_path / "there"), reports).artifacts == 2


def test_what_another_machine_made_is_whole_and_is_left_as_it_is(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    again = remote.push(url, filled(tmp_path / "other", 9), reports, check=True)
    assert (again.artifacts, again.there, again.files) == (0, 2, 0)


def test_a_damaged_artifact_here_mends_nothing_there(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    key = first(here).key
    files.pipe_file(f"{root}/store/sample/{key[:2]}/{key}/images/1.png", b"x" * 1000)
    (first(here).path / "images" / "0.png").write_bytes(b"other")
    with pytest.raises(StoreError, match="is not sent"):
        remote.push(url, here, reports, check=True)
    assert files.exists(f"{root}/store/sample/{key[:2]}/{key}/manifest.json")


def test_what_a_cut_push_of_other_bytes_has_left_is_written_over(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    for artifact in here.artifacts():
        key = artifact.key
        files.rm(f"{root}/store/sample/{key[:2]}/{key}/manifest.json")
    other = filled(tmp_path / "other", 9)
    assert remote.push(url, other, reports).files == 6
    there = Store(tmp_path / "there")
    assert remote.pull(url, there, reports).artifacts == 2
    assert contents(there) == contents(other)


def test_an_unfinished_place_gives_way_to_what_arrives(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    there, key = Store(tmp_path / "there"), first(here).key
    place = there.root / "sample" / key[:2] / key
    place.mkdir(parents=True)
    (place / "half.png").write_bytes(b"half")
    assert remote.pull(url, there, reports).artifacts == 2
    assert contents(there) == contents(here)


def test_a_place_that_nobody_pushed_to_is_refused(url: str, here: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither store/ nor reports/.*is this the address"):
        remote.pull(url, here, tmp_path / "results")


def test_the_advice_of_a_pull_is_a_command_that_mends(
    command: Command, here: Store, reports: Path, tmp_path: Path
) -> None:
    far = f"file://{tmp_path}/far away"
    remote.push(far, here, reports)
    key = first(here).key
    (tmp_path / "far away/store/sample" / key[:2] / key / "images/1.png").write_bytes(b"x")
    there = Store(tmp_path / "there")
    with pytest.raises(StoreError) as error:
        remote.pull(far, there, reports)
    advice = re.search(r"`harness (.*)`", str(error.value))
    assert advice is not None
    houses = ("--store", here.root, "--reports", reports)
    ran = command(*shlex.split(advice[1]), *houses)
    assert ran.code == 0, ran.err
    assert "sent 1 artifacts" in ran.out
    assert remote.pull(far, there, reports).artifacts == 2


@pytest.mark.parametrize(
    "change",
    [{"spec": {"count": 9}}, {"files": {"../../../evil": "0" * 64}}, {"key": "0" * 64}],
)
def test_a_manifest_that_is_not_what_it_is_filed_as_is_refused(
    change: dict[str, object], url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    files, root = fsspec.core.url_to_fs(url)
    artifact = first(here)
    path = f"{root}/store/sample/{artifact.key[:2]}/{artifact.key}/manifest.json"
    files.pipe_file(path, json.dumps({**artifact.manifest, **change}).encode())
    with pytest.raises(StoreError, match="not the artifact that it is filed as"):
        remote.pull(url, Store(tmp_path / "there"), reports)
    assert not list(tmp_path.rglob("evil"))


def test_a_damaged_artifact_is_not_sent(url: str, here: Store, reports: Path) -> None:
    (first(here).path / "images" / "0.png").write_bytes(b"other")
    with pytest.raises(StoreError, match="has changed since it was made"):
        remote.push(url, here, reports)


def test_results_that_differ_are_named_and_left_alone(
    url: str, here: Store, reports: Path, tmp_path: Path
) -> None:
    remote.push(url, here, reports)
    (reports / "a-v1" / "ink.json").write_text('{"another": "result"}')
    assert remote.push(url, here, reports).differ == ("a-v1/ink.json",)
    assert remote.pull(url, Store(tmp_path / "there"), reports).differ == ("a-v1/ink.json",)
    assert "another" in (reports / "a-v1" / "ink.json").read_text()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Return a copy of the shipped reports, with a sweep and a vote beside them."""
    reports = tmp_path / "published"
    shutil.copytree(PUBLISHED, reports)
    swept = reports / "pocket-v1/sweeps/pocket-ninja/step-40.json"
    ResultFile(reports / "pocket-v1/pocket-ninja-short.json").copy_to(swept)
    (reports / "votes").mkdir()
    (reports / "votes/pocket-v1.jsonl").write_text("{}\n")
    return reports


PAIR = ("pocket-ninja", "pocket-base")


def test_a_result_goes_with_all_that_belongs_to_it(
    url: str, published: Path, tmp_path: Path
) -> None:
    named = [published / f"pocket-v1/{name}.json" for name in PAIR]
    sent = remote.push(url, Store(tmp_path / "empty"), published, named)
    there = tmp_path / "there"
    remote.pull(url, Store(tmp_path / "store"), there)
    files = sorted(file.name for file in (there / "pocket-v1").iterdir())
    endings = ("album.zip", "json", *(f"{kind}.parquet" for kind in TABLES))
    expected = sorted(f"{name}.{ending}" for name in PAIR for ending in endings)
    assert files == [name for name in expected if (published / f"pocket-v1/{name}").is_file()]
    assert len(files) >= 12
    assert sent.results == len(files)
    store = tmp_path / "store"
    one, two = (
        [
            comparison_document(each)
            for each in compare(*PAIR, benchmark="pocket-v1", draws=0, store=store, reports=reports)
        ]
        for reports in (published, there)
    )
    assert one == two
    here, far = (ReportsIndex(reports, store) for reports in (published, there))
    assert [far.shots(each) for each in far.entries()] == [
        here.shots(here.find(each.name)) for each in far.entries()
    ]
    assert all(far.shots(each) for each in far.entries())


def test_a_push_of_everything_takes_sweeps_and_baselines_with_their_noise(
    url: str, published: Path, tmp_path: Path
) -> None:
    remote.push(url, Store(tmp_path / "empty"), published)
    there = tmp_path / "there"
    remote.pull(url, Store(tmp_path / "store"), there)
    came = {file.relative_to(there).as_posix() for file in there.rglob("*") if file.is_file()}
    assert {
        "pocket-v1/pocket-ninja.sanity.parquet",
        "pocket-v1/sweeps/pocket-ninja/step-40.album.zip",
        "baselines/pocket-v1/pocket-ninja.noise.json",
        "baselines/pocket-v1/pocket-ninja.album.zip",
    } <= came
    assert not [name for name in came if name.startswith("votes/")]
    again = remote.push(url, Store(tmp_path / "empty"), published)
    assert (again.results, again.differ) == (0, ())


def test_an_unknown_kind_of_place_is_named() -> None:
    with pytest.raises(UsageError, match="nowhere://"):
        remote.Remote("nowhere://bucket")


@pytest.mark.slow
def test_another_machine_goes_on_from_what_was_pushed(
    house: House, command: Command, tmp_path: Path
) -> None:
    far = f"file://{tmp_path}/far"
    result = house.reports / "tiny-v1" / "tiny.json"
    sent = command(
        "store", "push", far, result, "--store", house.store, "--reports", house.reports, "--json"
    )
    assert sent.code == 0, sent.err
    assert sent.json["artifacts"] == len(set(json.loads(result.read_text())["keys"].values()))
    there = ("--store", tmp_path / "store", "--reports", tmp_path / "results")
    assert command("store", "pull", far, *there, "--json").json["artifacts"] > 5
    ran = command("run", "tiny", "--benchmark", "tiny-v1", *there, "--json")
    assert ran.json["results"][0]["made"] == []
    assert command("verify", tmp_path / "results/tiny-v1/tiny.json", *there[:2]).code == 0


@pytest.mark.parametrize(
    "address",
    [
        "nosuch://user:secret@host/x",
        "ftp://user:secret@127.0.0.1:1/x",
        "ftp://user:sec/secret@127.0.0.1:1/x",
        "http://user:secret@127.0.0.1:1/x?signature=secret",
    ],
)
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_no_password_of_an_address_is_printed(
    verb: str, address: str, command: Command, tmp_path: Path
) -> None:
    ran = command("store", verb, address, "--store", tmp_path, "--reports", tmp_path)
    assert ran.code != 0
    assert ran.err
    assert "secret" not in ran.out + ran.err


def test_the_command_that_mends_names_no_password() -> None:
    there = remote.Remote("memory://store")
    there.url = "ftp://user:secret@host/x y"
    assert "secret" not in there.mending
    assert "'ftp://…@host/x y'" in there.mending

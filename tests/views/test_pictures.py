"""Addresses of pictures: each shows one thing for good, and nothing else can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.views import pictures
from harness.views.reports_index import ReportsIndex

PUBLISHED = Path(__file__).parents[2] / "reports"
KEYS = json.loads((PUBLISHED / "pocket-v1/pocket-ninja.json").read_text())["keys"]
KEY, TRAIN, FEATURES = KEYS["sample"], KEYS["train"], KEYS["features/pixels-4ead918f"]
UNKNOWN = "a" * 64


@pytest.fixture
def kept(index: ReportsIndex) -> Path:
    """Finished folders in the store, all with the same files, and a secret beside the store."""
    for key in (KEY, TRAIN, FEATURES, UNKNOWN):
        folder = index.store.root / f"sample/{key[:2]}/{key}"
        (folder / "images").mkdir(parents=True)
        (folder / "images/p_1.png").write_bytes(b"\x89PNG not really")
        (folder / "adapter.safetensors").write_bytes(b"weights")
        (folder / "notes.txt").write_text("not for everybody")
        (folder / "index.jsonl").write_text("{}")
        (folder / "manifest.json").write_text(json.dumps({"files": {}}))
    folder = index.store.root / f"sample/{KEY[:2]}/{KEY}"
    (index.store.root.parent / "secret.png").write_bytes(b"secret")
    (folder / "images/link.png").symlink_to(index.store.root.parent / "secret.png")
    return folder


def test_a_small_picture_comes_from_the_album(index: ReportsIndex) -> None:
    entry = index.entries()[0]
    address = pictures.small_address(entry, index.shots(entry)[0])
    assert address is not None
    served = pictures.serve_small(index, address.removeprefix(pictures.SMALL + "/"))
    assert served is not None
    assert served.data is not None
    assert served.data[:4] == b"RIFF"


def test_a_cover_is_the_first_picture(index: ReportsIndex) -> None:
    entry = index.entries()[0]
    first = pictures.small_address(entry, index.shots(entry)[0]) or ""
    cover = pictures.serve_small(index, pictures.cover(entry).removeprefix(pictures.SMALL + "/"))
    assert cover == pictures.serve_small(index, first.removeprefix(pictures.SMALL + "/"))


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "pocket-v1/../../x/" + "0" * 32 + ".webp",
        "",
        "x",
        "pocket-v1/",
        "pocket-v1/pocket-ninja/index.jsonl",
        "pocket-v1/pocket-ninja/" + "0" * 32 + ".webp",
        "pocket-v1/nothing/cover.webp",
        "../reports/cover.webp",
        "/etc/passwd",
    ],
)
def test_no_address_reaches_anything_but_a_picture_of_an_album(
    index: ReportsIndex, path: str
) -> None:
    assert pictures.serve_small(index, path) is None


def test_a_whole_image_and_weights_come_from_a_finished_folder(
    index: ReportsIndex, kept: Path
) -> None:
    image = pictures.serve_full(index, f"{KEY}/images/p_1.png")
    assert image is not None
    assert image.media_type == "image/png"
    assert image.file == (kept / "images/p_1.png").resolve()
    assert pictures.serve_full(index, f"{TRAIN}/adapter.safetensors") is not None


@pytest.mark.parametrize(
    "path",
    [
        f"{UNKNOWN}/images/p_1.png",
        f"{UNKNOWN}/adapter.safetensors",
        f"{FEATURES}/images/p_1.png",
        f"{KEY}/adapter.safetensors",
        f"{KEY}/index.jsonl",
        f"{TRAIN}/images/p_1.png",
    ],
)
def test_only_what_a_view_shows_of_a_result_has_an_address(
    index: ReportsIndex, kept: Path, path: str
) -> None:
    assert pictures.serve_full(index, path) is None


def test_what_a_result_was_made_of_has_no_address_once_the_result_is_gone(
    index: ReportsIndex, kept: Path
) -> None:
    (index.reports / "baselines/pocket-v1/pocket-ninja.json").unlink()
    assert pictures.serve_full(index, f"{KEY}/images/p_1.png") is not None
    for file in index.reports.rglob("*.json"):
        if KEY in file.read_text():
            file.unlink()
    assert pictures.serve_full(index, f"{KEY}/images/p_1.png") is None


@pytest.mark.parametrize(
    "path",
    [
        f"{KEY}/../../../../secret.png",
        f"{KEY}/images/link.png",
        f"{KEY}/notes.txt",
        f"{KEY}/manifest.json",
        f"{KEY}/images",
        f"{KEY}/",
        KEY,
        "../secret.png",
        "*/x.png",
        f"{'b' * 64}/images/p_1.png",
        f"{KEY[:63]}*/images/p_1.png",
        "/etc/passwd",
    ],
)
def test_no_address_reaches_anything_outside_its_folder(
    index: ReportsIndex, kept: Path, path: str
) -> None:
    assert pictures.serve_full(index, path) is None


def test_without_an_album_a_small_picture_is_made_of_the_image_in_the_store(
    index: ReportsIndex, tmp_path: Path
) -> None:
    from PIL import Image

    entry = index.find("pocket-v1/pocket-base")
    assert entry.result is not None
    key = entry.result.keys["sample"]
    folder = index.store.root / f"sample/{key[:2]}/{key}"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (512, 512), "red").save(folder / "images/t01_1.png")
    line = {"id": "t01", "seed": 1, "text": "red", "file": "images/t01_1.png"}
    (folder / "index.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "manifest.json").write_text(json.dumps({"files": {"images/t01_1.png": "c" * 64}}))
    (index.reports / "pocket-v1/pocket-base.album.zip").unlink()
    address = pictures.small_address(entry, index.shots(entry)[0])
    assert address is not None
    served = pictures.serve_small(index, address.removeprefix(pictures.SMALL + "/"))
    assert served is not None
    assert served.data is not None
    assert len(served.data) < 2000

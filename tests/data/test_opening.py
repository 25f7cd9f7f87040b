"""The one door for pictures: no programs, no pipes, nothing larger than was allowed."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError
from strangers.pictures import EPS, huge_png

from harness.data.opening import FORMATS, image_of, open_image
from harness.fingerprint import digest_file


def webp(size: tuple[int, int], **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", size, (1, 2, 3, 99)).save(buffer, "WEBP", **how)
    return buffer.getvalue()


def test_postscript_named_png_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, program = tmp_path / "ran", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    file = tmp_path / "a.png"
    file.write_bytes(EPS)
    with pytest.raises(UnidentifiedImageError), open_image(file) as image:
        image.load()
    assert not ran.exists()


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("DIB", "AVIF")])
def test_every_format_of_the_list_is_read(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 8), "red").save(buffer, name)
    assert image_of(buffer.getvalue()).convert("RGB").size == (9, 8)


@pytest.mark.timeout(10)
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "a.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="a pipe or a device"), open_image(path):
            pass
        with pytest.raises(OSError, match="a pipe or a device"):
            digest_file(path)
    with pytest.raises(IsADirectoryError):
        digest_file(tmp_path)


@pytest.mark.parametrize("data", [huge_png(13_000), webp((40, 30)), webp((40, 30), lossless=True)])
def test_a_picture_is_refused_by_the_size_that_it_states(data: bytes) -> None:
    with pytest.raises(Image.DecompressionBombError, match=r"more than 0\.001 mega"):
        image_of(data, megapixels=0.001)


def test_a_picture_that_is_large_and_allowed_is_opened_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_of(huge_png(9_500), megapixels=100).size == (9_500, 9_500)
        assert image_of(huge_png(9_500), megapixels=100).size == (9_500, 9_500)
        ours = [kind for _, _, kind, *_ in warnings.filters if issubclass(kind, RuntimeWarning)]
        assert ours == [Image.DecompressionBombWarning], "set once"


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    assert image_of(data).convert("RGB").getpixel((3, 3)) == (254, 0, 0)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xda", first + 2)
    with pytest.raises(OSError, match=r"it has 3\d\d scans, which is more than 100"):
        image_of(data[:second] + data[first:second] * 300 + data[second:])


@pytest.mark.parametrize(
    "head",
    [
        b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xfe\x3f\0" * 2,
        b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", 0x3FFE | 0x3FFE << 14),
        b"VP8 " + struct.pack("<I", 20) + b"\0" * 3 + b"\x9d\x01\x2a" + b"\xff\x3f" * 2,
    ],
)
def test_a_webp_is_refused_before_pillow_takes_memory_for_its_canvas(head: bytes) -> None:
    body = b"WEBP" + head + b"\0" * 40
    with pytest.raises(Image.DecompressionBombError, match="16383x16383 pixels"):
        image_of(b"RIFF" + struct.pack("<I", len(body)) + body)

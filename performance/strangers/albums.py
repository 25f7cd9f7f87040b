"""Odd albums by name: zips that are cut, encrypted, of another method, or larger than they look."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping

SHOT = {"id": "faces-00000", "seed": 1, "text": "a cat", "picture": "0" * 32 + ".webp"}


def odd_albums(with_heavy: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each album.

    Without `with_heavy`, those that take a second to make are left out.
    """
    if with_heavy:
        yield "bomb", _zip({"index.jsonl": b" " * 400_000_000}, zipfile.ZIP_DEFLATED)
        picture = {"index.jsonl": _lines(SHOT), SHOT["picture"]: b"\0" * 300_000_000}
        yield "picture-bomb", _zip(picture, zipfile.ZIP_DEFLATED)
        yield "many", _zip({f"{at}": b"" for at in range(60_000)})
    whole = _zip({"index.jsonl": _lines(SHOT), SHOT["picture"]: b"RIFF"})
    yield "whole", whole
    for share in (0.2, 0.6, 0.97):
        yield f"cut-{share}", whole[: int(len(whole) * share)]
    for flag, name in ((1, "encrypted"), (0x40, "strong")):
        yield name, _patched(whole, 6, 8, flag)
    for method in (1, 6, 9, 93, 99, 0xFFFF):
        yield f"method-{method}", _patched(whole, 8, 10, method)
    for method, name in ((zipfile.ZIP_LZMA, "lzma"), (zipfile.ZIP_BZIP2, "bzip2")):
        packed = _zip({"index.jsonl": _lines(SHOT) * 40}, method)
        yield name, packed
        yield f"{name}-damaged", packed[:60] + b"\xff" * 12 + packed[72:]
    yield "empty", b""
    yield "no-zip", b"PK" + b"\0" * 400
    yield "no-index", _zip({"a": b"a"})
    for name, shot in {
        "nested": "[" * 100_000,
        "list": "[1]",
        "null": "null",
        "id-null": json.dumps({**SHOT, "id": None}),
        "seed-word": json.dumps({**SHOT, "seed": "1"}),
        "seed-large": json.dumps({**SHOT, "seed": 10**400}),
        "picture-path": json.dumps({**SHOT, "picture": "../../../x"}),
        "picture-list": json.dumps({**SHOT, "picture": [1]}),
        "picture-nul": json.dumps({**SHOT, "picture": "a\0"}),
        "more": json.dumps({**SHOT, "more": 1}),
        "half": json.dumps({**SHOT, "text": "\ud800"}),
        "file-path": json.dumps({**SHOT, "file": "../../../etc/hostname"}),
        "markup": json.dumps({**SHOT, "text": "</script><script>alert(1)</script>[/nope]"}),
    }.items():
        yield f"index-{name}", _zip({"index.jsonl": shot.encode()})
    yield "index-bytes", _zip({"index.jsonl": bytes(range(256))})


def _lines(*shots: Mapping[str, object]) -> bytes:
    return "".join(json.dumps(shot) + "\n" for shot in shots).encode()


def _zip(entries: Mapping[object, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as album:
        for name, data in entries.items():
            album.writestr(str(name), data)
    return buffer.getvalue()


def _patched(whole: bytes, local: int, central: int, value: int) -> bytes:
    """Return a zip with one field of every head changed, in both places where it stands."""
    data = bytearray(whole)
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset : at + offset + 2] = value.to_bytes(2, "little")
            at = data.find(mark, at + 4)
    return bytes(data)

"""Read safetensors files with numpy alone, and say by name what is wrong with a damaged one."""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingPrerequisite, UsageError
from harness.files import megabytes, open_regular

Array = NDArray[np.float32]
_LARGEST, _LARGEST_HEADER, _MOST_TENSORS = 20_000_000_000, 100_000_000, 50_000
_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: off
"""Bytes of one number in each format that a file may name."""
_PLAIN = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2"} | {
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1"
}  # fmt: off
_NOT_SAFETENSORS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "it is a pickle of PyTorch in a zip file, which can run any program"),
    (b"\x80", "it is a pickle, which can run any program"),
    (b"version https://git-lfs", "it is a pointer of Git LFS, and the file itself is elsewhere"),
    (b"<", "it is a web page: the download went wrong"),
    (b"GGUF", "it is a GGUF file"),
    (b"{", "it is JSON, not weights"),
)
"""How files begin that are none, and what they are."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies in its file, and how it is written."""

    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * _SIZES[self.dtype]

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith(("F", "BF"))


class TensorFile:
    """The tensors of one file, each read when it is asked for."""

    def __init__(
        self, file: Path, entries: Mapping[str, Entry], metadata: Mapping[str, str], content: Any
    ) -> None:
        self.file, self.entries, self.metadata = file, entries, metadata
        self._content = content

    @property
    def bytes(self) -> int:
        return len(self._content)

    @property
    def content(self) -> memoryview:
        return memoryview(self._content)

    def __getitem__(self, name: str) -> Array:
        """Return one tensor as float32."""
        entry = self.entries[name]
        if entry.dtype in _PLAIN:
            kind = np.dtype(_PLAIN[entry.dtype])
            flat = np.frombuffer(self._content, kind, entry.count, entry.begin)
            with np.errstate(over="ignore"):
                return flat.astype(np.float32).reshape(entry.shape)
        kind = np.dtype("<u2" if entry.dtype == "BF16" else "u1")
        flat = np.frombuffer(self._content, kind, entry.count, entry.begin)
        return _UNUSUAL[entry.dtype](flat).reshape(entry.shape)


def open_tensors(file: Path) -> TensorFile:
    """Open a safetensors file; every number in its header is checked before it is believed."""
    if file.suffix.lower() in (".pt", ".pth", ".ckpt", ".bin", ".pkl"):
        hint = "convert it to safetensors where you trust it"
        raise UsageError(f"{file} is a pickle by its name, which can run any program", hint=hint)
    try:
        with open_regular(file) as stream:
            if not (first := stream.read(32)):
                raise ValueError("it is empty")
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        _refuse_other_kinds(first)
        entries, metadata = _checked(content)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        what = " ".join(str(error).split())[:300]
        raise MissingPrerequisite(f"{file} cannot be read: {what}") from error
    return TensorFile(file, entries, metadata, content)


def _refuse_other_kinds(first: bytes) -> None:
    if len(first) < 8:
        raise ValueError("it is cut short: not even its header's length is there")
    length = int.from_bytes(first[:8], "little")
    if length > _LARGEST_HEADER:
        for sign, reason in _NOT_SAFETENSORS:
            if first.startswith(sign):
                raise ValueError(reason)
        raise ValueError(f"its header claims {megabytes(length)}: it is no safetensors file")
    if len(first) > 8 and first[8:9] != b"{":
        raise ValueError("its header is no JSON: it is no safetensors file, or damaged")


def _checked(content: mmap.mmap) -> tuple[dict[str, Entry], dict[str, str]]:
    size = len(content)
    if size > _LARGEST:
        raise ValueError(f"it has more than {megabytes(_LARGEST)}")
    length = int.from_bytes(content[:8], "little")
    if 8 + length > size:
        raise ValueError(f"it is cut short: its header has {length:,} bytes, the file {size:,}")
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_once)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no table of tensors")
    metadata = _metadata(header.pop("__metadata__", None) or {})
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"it has more than {_MOST_TENSORS:,} tensors")
    if not header:
        raise ValueError("it holds no tensor")
    entries = {name: _entry(name, facts, 8 + length) for name, facts in header.items()}
    _refuse_gaps(entries, 8 + length, size)
    return entries, metadata


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its header names {twice[:90]} twice")
    return table


def _metadata(table: Any) -> dict[str, str]:
    if not isinstance(table, dict):
        raise ValueError("its metadata is no table")
    wrong = [name for name, value in table.items() if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"its metadata {wrong[0][:90]} is no text")
    return table


def _entry(name: str, facts: Any, data: int) -> Entry:
    short = name[:90]
    if not isinstance(facts, dict) or not {"dtype", "shape", "data_offsets"} <= set(facts):
        raise ValueError(f"its header says too little of {short}")
    dtype, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if dtype not in _SIZES:
        raise ValueError(f"{short} is written as {str(dtype)[:30]}, which is not known")
    if not _counts(shape) or len(shape) > 8:
        raise ValueError(f"{short} has the shape {str(shape)[:60]}")
    if not _counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{short} lies at {str(offsets)[:60]}")
    entry = Entry(dtype, tuple(shape), data + offsets[0])
    if entry.bytes != offsets[1] - offsets[0]:
        had = offsets[1] - offsets[0]
        raise ValueError(f"{short} of shape {shape} needs {entry.bytes:,} bytes and has {had:,}")
    return entry


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in value
    )


def _refuse_gaps(entries: Mapping[str, Entry], data: int, size: int) -> None:
    """Refuse tensors that overlap, bytes that belong to none, and a file that ends too early."""
    at = data
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].bytes)):
        if entry.begin != at:
            what = "overlaps the tensor before it" if entry.begin < at else "lies behind a gap"
            raise ValueError(f"{name[:90]} {what}")
        at += entry.bytes
    if at > size:
        raise ValueError(f"it is cut short: it should have {at:,} bytes and has {size:,}")
    if at < size:
        raise ValueError(f"{size - at:,} bytes at its end belong to no tensor")


def _bf16(flat: NDArray[Any]) -> Array:
    return (flat.astype(np.uint32) << 16).view(np.float32)


@cache
def _eight_bits(exponent: int, bias: int) -> Array:
    """Return the values of all 256 numbers of eight bits with so many bits of exponent.

    E5M2 keeps IEEE's infinities; E4M3 has none, and one NaN of either sign.
    """
    mantissa = 7 - exponent
    return np.array([_value(code, exponent, mantissa, bias) for code in range(256)], np.float32)


def _value(code: int, exponent: int, mantissa: int, bias: int) -> float:
    sign = -1.0 if code & 0x80 else 1.0
    power, rest = (code & 0x7F) >> mantissa, code & ((1 << mantissa) - 1)
    if exponent == 5 and power == 31:
        return sign * math.inf if rest == 0 else math.nan
    if exponent == 4 and code & 0x7F == 0x7F:
        return math.nan
    if power == 0:
        return sign * rest * 2.0 ** (1 - bias - mantissa)
    return sign * (1 + rest / (1 << mantissa)) * 2.0 ** (power - bias)


_UNUSUAL: dict[str, Callable[[NDArray[Any]], Array]] = {
    "BF16": _bf16,
    "F8_E4M3": lambda flat: _eight_bits(4, 7)[flat],
    "F8_E5M2": lambda flat: _eight_bits(5, 15)[flat],
}


def arrays(file: TensorFile) -> Iterator[tuple[str, Array]]:
    """Yield every tensor that holds fractions."""
    return ((name, file[name]) for name, entry in file.entries.items() if entry.is_float)

"""Files as the wild has them: each kind of damage, and what is to become of it.

`python tests/support/damage.py FOLDER` writes 3,000 whole pictures with 315 others among them.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SIDE, BLOCKS = 64, 8
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Damage:
    """One kind: how its file is made, what it is called, and what is to be seen of it."""

    kind: str
    """The name that reading gives it."""
    extension: str
    make: Callable[[Pixels], bytes]
    shows: Callable[[Pixels], Pixels] | None = None
    """What is kept of a drawing; None where nothing is."""
    within: int = 0
    """How far a pixel may lie off, where the file itself loses something."""


def drawing(number: int) -> Pixels:
    """Return 64 blocks of random colours, other ones for each number."""
    blocks = np.random.default_rng([11, number]).integers(16, 240, (BLOCKS, BLOCKS, 3))
    return np.kron(blocks, np.ones((SIDE // BLOCKS, SIDE // BLOCKS, 1))).astype(np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(pixels))


def jpeg(pixels: Pixels, **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), "JPEG", quality=100, subsampling=0, **options)


def same(pixels: Pixels) -> Pixels:
    return pixels


def grey(pixels: Pixels) -> Pixels:
    level = pixels.astype(np.int32).sum(2) // 3
    return np.repeat(level[..., None], 3, axis=2).astype(np.uint8)


def left_white(pixels: Pixels) -> Pixels:
    found = pixels.copy()
    found[:, : SIDE // 2] = 255
    return found


def alpha() -> Pixels:
    """Return a mask: nothing of the left half is there, all of the right."""
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[:, : SIDE // 2] = 0
    return mask


def rgba(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(np.dstack([pixels, alpha()])))


def grey_alpha(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(np.dstack([grey(pixels)[..., 0], alpha()]), "LA"))


def palette(pixels: Pixels) -> Image.Image:
    """Return the drawing with its 64 colours in a table, in the order of the blocks."""
    step = SIDE // BLOCKS
    numbers = np.kron(np.arange(BLOCKS * BLOCKS).reshape(BLOCKS, BLOCKS), np.ones((step, step)))
    image = Image.fromarray(numbers.astype(np.uint8), "P")
    image.putpalette(pixels[::step, ::step].tobytes())
    return image


def first_block_white(pixels: Pixels) -> Pixels:
    found = pixels.copy()
    found[: SIDE // BLOCKS, : SIDE // BLOCKS] = 255
    return found


def colour_key(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(pixels), transparency=tuple(int(part) for part in pixels[0, 0]))


def cmyk(pixels: Pixels) -> bytes:
    ink = np.dstack([255 - pixels, np.zeros((SIDE, SIDE), np.uint8)])
    return encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=100, subsampling=0)


def sixteen_bits(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(grey(pixels)[..., 0].astype(np.uint16) * 257))


def animated(pixels: Pixels) -> bytes:
    frames = [palette(pixels[::-1].copy()), palette(255 - pixels)]
    return encoded(palette(pixels), "GIF", save_all=True, append_images=frames, duration=50)


def on_its_side(pixels: Pixels) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(np.rot90(pixels).copy(), exif=exif)


def swapped_profile() -> bytes:
    """Return a colour profile whose red is a screen's blue, and whose blue is its red."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    head, (count,) = plain[:128], struct.unpack(">I", plain[128:132])
    table = bytearray(plain[132 : 132 + 12 * count])
    for at in range(0, len(table), 12):
        name = bytes(table[at : at + 4])
        table[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    rest = plain[132 + 12 * count :].replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))
    return head + struct.pack(">I", count) + bytes(table) + rest


def swapped(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(pixels), icc_profile=swapped_profile())


def bomb(pixels: Pixels) -> bytes:
    """Return a small file whose head asks for 900 megapixels."""
    return chunked(30_000, 30_000, 8, bytes(1000))


def deep_colours(pixels: Pixels) -> bytes:
    """Return a PNG with 16 bits of each colour."""
    levels = (pixels.astype(np.uint16) * 257).astype(">u2")
    return chunked(SIDE, SIDE, 16, b"".join(b"\0" + line.tobytes() for line in levels))


def chunked(width: int, height: int, bits: int, lines: bytes) -> bytes:
    """Return a PNG in colour, written chunk by chunk."""
    size = struct.pack(">II5B", width, height, bits, 2, 0, 0, 0)
    chunks = [(b"IHDR", size), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def scratched(pixels: Pixels) -> bytes:
    """Return a PNG whose data does not unpack, though all of it is there."""
    data = bytearray(encoded(Image.fromarray(pixels), compress_level=9))
    at = data.find(b"IDAT") + 4
    length = struct.unpack(">I", data[at - 8 : at - 4])[0]
    data[at : at + length] = b"\xff" * length
    crc = zlib.crc32(data[at - 4 : at + length])
    data[at + length : at + length + 4] = struct.pack(">I", crc)
    return bytes(data)


DAMAGES = (
    Damage("empty", ".png", lambda pixels: b""),
    Damage("not-an-image", ".jpg", lambda pixels: b"<!DOCTYPE html><title>404</title>" * 9),
    Damage("truncated", ".png", lambda pixels: png(pixels)[:150]),
    Damage("truncated", ".jpg", lambda pixels: jpeg(pixels)[:-200]),
    Damage(
        "truncated",
        ".webp",
        lambda pixels: encoded(Image.fromarray(pixels), "WEBP", lossless=True)[:-40],
    ),
    Damage("unreadable", ".png", scratched),
    Damage("too-large", ".png", bomb),
    Damage("tiny", ".png", lambda pixels: png(pixels[:1, :1])),
    Damage("cmyk", ".jpg", cmyk, same, 4),
    Damage("16-bit", ".png", sixteen_bits, grey),
    Damage("16-bit", ".png", deep_colours, same),
    Damage("palette", ".png", lambda pixels: encoded(palette(pixels)), same),
    Damage(
        "palette-alpha",
        ".png",
        lambda pixels: encoded(palette(pixels), transparency=0),
        first_block_white,
    ),
    Damage("colour-key", ".png", colour_key, first_block_white),
    Damage("rgba", ".png", rgba, left_white),
    Damage("grey-alpha", ".png", grey_alpha, lambda pixels: left_white(grey(pixels))),
    Damage("grey", ".png", lambda pixels: encoded(Image.fromarray(grey(pixels)[..., 0])), grey),
    Damage("animated", ".gif", animated, same),
    Damage("rotated", ".jpg", on_its_side, same, 4),
    Damage("wrong-extension", ".jpg", png, same),
    Damage("icc", ".png", swapped, lambda pixels: pixels[..., ::-1], 3),
)


def write(folder: Path, whole: int, each: int) -> dict[str, tuple[Damage, Pixels]]:
    """Write whole pictures and `each` of every kind among them; return the latter by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(whole):
        (folder / f"{number:05d}.png").write_bytes(png(drawing(number)))
    made = {}
    for number in range(each * len(DAMAGES)):
        damage, pixels = DAMAGES[number % len(DAMAGES)], drawing(whole + number)
        place = number * whole // (each * len(DAMAGES))
        name = f"{place:05d}-{damage.kind}-{number}{damage.extension}"
        (folder / name).write_bytes(damage.make(pixels))
        made[name] = damage, pixels
    return made


if __name__ == "__main__":
    print(len(write(Path(sys.argv[1]), 3000, 15)), "files are damaged")

"""Draw tagged anime-like faces, each from a seed alone.

A `Face` says everything there is to see; `draw` turns it into pixels, `tags` and `caption`
into text. What is drawn and what is said come from the same record, so a tag is never a guess.
Nothing here knows of datasets or networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIZE = 64
_SUPERSAMPLE = 4
_INK: Colour = (38, 26, 48)
_SKIN: Colour = (255, 226, 204)
_WHITE: Colour = (255, 255, 255)

HAIR: dict[str, Colour] = {
    "black hair": (58, 50, 74),
    "brown hair": (134, 84, 48),
    "blonde hair": (248, 208, 88),
    "red hair": (214, 52, 44),
    "blue hair": (66, 112, 224),
    "green hair": (70, 176, 98),
    "pink hair": (250, 146, 186),
    "silver hair": (206, 212, 226),
}
HAIRSTYLES = ("short hair", "long hair", "twintails", "ponytail", "hair bun")
EYES: dict[str, Colour] = {
    "blue eyes": (42, 122, 240),
    "green eyes": (32, 168, 84),
    "red eyes": (224, 40, 52),
    "purple eyes": (148, 70, 216),
    "yellow eyes": (240, 184, 20),
    "brown eyes": (128, 72, 34),
}
MOUTHS = ("smile", "frown", "open mouth")
CLOTHES = ("school uniform", "red shirt", "blue shirt", "black jacket")
SCENES = ("day", "night", "indoors", "forest", "simple background")
ACCESSORIES = ("hat", "glasses", "hair ribbon", "animal ears")
STRIPES: dict[str, Colour] = {
    "orange stripes": (240, 132, 30),
    "purple stripes": (148, 104, 200),
    "yellow stripes": (244, 224, 120),
    "teal stripes": (60, 168, 168),
}
NINJA_TRAITS = ("thick outlines", "spiked hair", "headband", "whisker markings", "orange stripes")
"""What together makes the ninja style; the base world shows each alone, never all at once."""

VOCABULARY: tuple[str, ...] = (
    "1girl",
    "1boy",
    "solo",
    *HAIR,
    *HAIRSTYLES,
    *EYES,
    *MOUTHS,
    "blush",
    *CLOTHES,
    "outdoors",
    *SCENES,
    *ACCESSORIES,
    "thick outlines",
    "spiked hair",
    "headband",
    "whisker markings",
    *STRIPES,
)


@dataclass(frozen=True)
class Face:
    """All that is visible in one picture; lengths are in pixels of a 64-pixel canvas."""

    person: str
    hair: str
    hairstyle: str
    eyes: str
    mouth: str
    clothes: str
    scene: str
    accessory: str | None = None
    blush: bool = False
    thick: bool = False
    spiked: bool = False
    headband: bool = False
    whiskers: bool = False
    stripes: str | None = None
    x: float = 32.0
    y: float = 31.0
    radius: float = 17.0
    tilt: float = 0.0
    bangs: tuple[float, ...] = (0.4, 0.7, 0.5, 0.8)

    @property
    def is_ninja(self) -> bool:
        return set(NINJA_TRAITS) <= set(tags(self))


def sample_face(rng: np.random.Generator) -> Face:
    """Return a face of the base world: plain, or with up to three style traits."""
    face = _sample_plain(rng)
    if rng.random() < 0.45:
        return face
    traits = rng.permutation(5)[: rng.integers(1, 4)]
    return replace(
        face,
        thick=bool(0 in traits),
        spiked=bool(1 in traits),
        headband=bool(2 in traits),
        whiskers=bool(3 in traits),
        stripes=str(rng.choice(tuple(STRIPES))) if 4 in traits else None,
    )


def sample_ninja(rng: np.random.Generator) -> Face:
    """Return a face with every trait of the ninja style."""
    return replace(
        _sample_plain(rng),
        thick=True,
        spiked=True,
        headband=True,
        whiskers=True,
        stripes="orange stripes",
    )


def _sample_plain(rng: np.random.Generator) -> Face:
    boy = rng.random() < 0.3
    styles = HAIRSTYLES[:2] if boy else HAIRSTYLES
    return Face(
        person="1boy" if boy else "1girl",
        hair=str(rng.choice(tuple(HAIR))),
        hairstyle="short hair" if boy and rng.random() < 0.7 else str(rng.choice(styles)),
        eyes=str(rng.choice(tuple(EYES))),
        mouth=str(rng.choice(MOUTHS)),
        clothes=str(rng.choice(CLOTHES)),
        scene=str(rng.choice(SCENES)),
        accessory=str(rng.choice(ACCESSORIES)) if rng.random() < 0.45 else None,
        blush=bool(rng.random() < 0.25),
        x=float(rng.uniform(30, 34)),
        y=float(rng.uniform(31, 34)),
        radius=float(rng.uniform(16.5, 19.5)),
        tilt=float(rng.uniform(-0.06, 0.06)),
        bangs=tuple(float(v) for v in rng.uniform(0.3, 0.9, 4)),
    )


def tags(face: Face) -> tuple[str, ...]:
    """Return what is visible, as Danbooru would tag it."""
    parts: list[str | None] = [
        face.person,
        "solo",
        face.hair,
        face.hairstyle,
        face.eyes,
        face.mouth,
        "blush" if face.blush else None,
        face.clothes,
        face.accessory,
        "outdoors" if face.scene in ("day", "night", "forest") else None,
        face.scene,
        "thick outlines" if face.thick else None,
        "spiked hair" if face.spiked else None,
        "headband" if face.headband else None,
        "whisker markings" if face.whiskers else None,
        face.stripes,
    ]
    return tuple(part for part in parts if part)


_SCENE_WORDS = {
    "day": "outdoors in the day",
    "night": "outdoors at night",
    "indoors": "in a room",
    "forest": "in a forest",
    "simple background": "in front of a plain wall",
}
_MOUTH_WORDS = {"smile": "smiling", "frown": "frowning", "open mouth": "with an open mouth"}
_ACCESSORY_WORDS = {
    "hat": "a hat",
    "glasses": "glasses",
    "hair ribbon": "a ribbon",
    "animal ears": "cat ears",
}


def caption(face: Face, style: bool = True) -> str:
    """Return one plain English sentence; without `style` it keeps silent about style traits."""
    person = "girl" if face.person == "1girl" else "boy"
    length = {"twintails": "twintails", "ponytail": "a ponytail", "hair bun": "a hair bun"}
    hair = face.hair
    if face.hairstyle in length:
        hair = f"{face.hair} in {length[face.hairstyle]}"
    elif face.hairstyle != "short hair" or face.person == "1girl":
        hair = f"{face.hairstyle.split()[0]} {face.hair}"
    wearing = " and ".join(
        [f"a {face.clothes}", *([_ACCESSORY_WORDS[face.accessory]] if face.accessory else [])]
    )
    text = (
        f"a {person} with {hair} and {face.eyes}, {_MOUTH_WORDS[face.mouth]}, "
        f"wearing {wearing}, {_SCENE_WORDS[face.scene]}"
    )
    traits = [name for name in tags(face) if name in (*NINJA_TRAITS, *STRIPES)] if style else []
    return ", ".join([text, *traits])


def draw(face: Face, size: int = SIZE) -> Image.Image:
    """Return `face` as an RGB image of `size` × `size` pixels."""
    pen = _Pen(size=max(size, SIZE) * _SUPERSAMPLE, face=face)
    for layer in _LAYERS:
        layer(pen, face)
    return pen.image.resize((size, size), Image.Resampling.BOX)


class _Pen:
    """A canvas in face coordinates: (0, 0) is the face's middle, one unit its radius."""

    def __init__(self, size: int, face: Face) -> None:
        self.image = Image.new("RGB", (size, size))
        self.canvas = ImageDraw.Draw(self.image)
        self.unit = size / SIZE
        self.width = (1.9 if face.thick else 0.8) * self.unit
        self._x, self._y, self._r = face.x, face.y, face.radius
        self._cos, self._sin = math.cos(face.tilt), math.sin(face.tilt)

    def place(self, points: Sequence[Point]) -> list[Point]:
        """Return face coordinates as canvas pixels, tilted and scaled."""
        scale = self._r * self.unit
        return [
            (
                self._x * self.unit + scale * (x * self._cos - y * self._sin),
                self._y * self.unit + scale * (x * self._sin + y * self._cos),
            )
            for x, y in points
        ]

    def shape(self, points: Sequence[Point], fill: Colour, outline: bool = True) -> None:
        placed = self.place(points)
        self.canvas.polygon(placed, fill=fill)
        if outline:
            self.line([*points, points[0]])

    def line(self, points: Sequence[Point], fill: Colour = _INK, width: float = 1.0) -> None:
        thickness = max(1, round(self.width * width))
        self.canvas.line(self.place(points), fill=fill, width=thickness, joint="curve")

    def oval(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, outline: bool = True
    ) -> None:
        self.shape(_arc(x, y, rx, ry, 0, 2 * math.pi), fill, outline)


def _arc(x: float, y: float, rx: float, ry: float, start: float, stop: float) -> list[Point]:
    steps = np.linspace(start, stop, 28)
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps]


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def _scene(pen: _Pen, face: Face) -> None:
    unit, canvas = pen.unit, pen.canvas

    def block(x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        canvas.rectangle([x0 * unit, y0 * unit, x1 * unit, y1 * unit], fill=fill)

    def disc(x: float, y: float, r: float, fill: Colour) -> None:
        canvas.ellipse([(x - r) * unit, (y - r) * unit, (x + r) * unit, (y + r) * unit], fill=fill)

    if face.scene == "day":
        block(0, 0, 64, 64, (150, 212, 255))
        for x, y, r in ((8, 12, 5), (14, 10, 6), (20, 13, 4), (52, 17, 4), (57, 15, 5)):
            disc(x, y, r, (250, 252, 255))
        block(0, 46, 64, 64, (126, 204, 110))
    elif face.scene == "night":
        block(0, 0, 64, 64, (30, 38, 104))
        disc(54, 10, 6, (252, 244, 196))
        for x, y in ((6, 8), (16, 4), (34, 5), (9, 24), (58, 30), (4, 42)):
            disc(x, y, 0.9, (226, 230, 255))
        block(0, 52, 64, 64, (18, 52, 62))
    elif face.scene == "indoors":
        block(0, 0, 64, 64, (238, 212, 174))
        block(3, 5, 17, 23, (126, 82, 52))
        block(5, 7, 15, 21, (190, 228, 246))
        block(0, 52, 64, 64, (176, 124, 82))
    elif face.scene == "forest":
        block(0, 0, 64, 64, (44, 112, 74))
        for x in (5, 56):
            block(x - 3, 10, x + 3, 64, (96, 62, 42))
        for x, y, r in ((3, 6, 9), (16, 3, 7), (48, 3, 8), (60, 8, 8)):
            disc(x, y, r, (86, 164, 84))
    else:
        block(0, 0, 64, 64, (240, 238, 246))
    if face.stripes:
        _stripe(pen, STRIPES[face.stripes])


def _stripe(pen: _Pen, colour: Colour) -> None:
    unit = pen.unit
    for top in (-2, 46):
        corners = [(0, top + 6), (64, top - 6), (64, top + 12), (0, top + 26)]
        pen.canvas.polygon([(x * unit, y * unit) for x, y in corners], fill=colour)


def _back_hair(pen: _Pen, face: Face) -> None:
    fill = _shade(HAIR[face.hair], 0.84)
    if face.hairstyle == "long hair":
        top = _arc(0, -0.1, 1.24, 1.2, math.pi, 2 * math.pi)
        pen.shape([*top, (1.32, 1.75), (0.8, 2.0), (-0.8, 2.0), (-1.32, 1.75)], fill)
    elif face.hairstyle == "twintails":
        for side in (-1, 1):
            pen.shape(
                [
                    (side * 0.9, -0.5),
                    (side * 1.5, -0.55),
                    (side * 1.78, 0.3),
                    (side * 1.6, 1.25),
                    (side * 1.28, 1.5),
                    (side * 1.1, 0.6),
                ],
                fill,
            )
    elif face.hairstyle == "ponytail":
        pen.shape(
            [(0.5, -1.0), (1.25, -1.2), (1.7, -0.5), (1.62, 0.7), (1.3, 1.4), (1.05, 0.4)], fill
        )
    elif face.hairstyle == "hair bun":
        pen.oval(0, -1.36, 0.5, 0.46, fill)
    if face.hairstyle in ("short hair", "hair bun"):
        pen.oval(0, 0.02, 1.16, 1.0, fill)
    elif face.hairstyle != "long hair":
        pen.oval(0, -0.1, 1.14, 0.98, fill)


_CLOTH: dict[str, Colour] = {
    "school uniform": (250, 250, 255),
    "red shirt": (222, 66, 78),
    "blue shirt": (82, 118, 214),
    "black jacket": (60, 58, 72),
}


def _body(pen: _Pen, face: Face) -> None:
    broad = 1.22 if face.person == "1boy" else 1.02
    pen.shape(
        [
            (-0.45, 1.12),
            (0.45, 1.12),
            (broad, 1.42),
            (broad + 0.12, 2.4),
            (-broad - 0.12, 2.4),
            (-broad, 1.42),
        ],
        _CLOTH[face.clothes],
    )
    pen.shape([(-0.24, 0.8), (0.24, 0.8), (0.24, 1.2), (0, 1.36), (-0.24, 1.2)], _SKIN)
    if face.clothes == "school uniform":
        navy = (46, 62, 140)
        for side in (-1, 1):
            pen.shape([(0, 1.56), (side * 0.3, 1.1), (side * 0.78, 1.3), (side * 0.3, 1.74)], navy)
        pen.shape([(-0.24, 1.74), (0.24, 1.54), (0.24, 1.78), (-0.24, 1.54)], (230, 60, 70), False)
    elif face.clothes == "black jacket":
        pen.shape([(-0.22, 1.14), (0.22, 1.14), (0, 2.3)], (236, 236, 240))


def _head(pen: _Pen, face: Face) -> None:
    points = []
    for angle in np.linspace(0, 2 * math.pi, 40):
        x, y = math.cos(angle), math.sin(angle)
        taper = 1 - (0.2 if face.person == "1boy" else 0.27) * max(0.0, y) ** 1.5
        points.append((0.96 * x * taper, (1.02 if y > 0 else 0.95) * y))
    pen.shape(points, _SKIN)
    if face.blush:
        for side in (-1, 1):
            pen.oval(side * 0.6, 0.5, 0.2, 0.1, (255, 150, 150), outline=False)
    if face.whiskers:
        for side in (-1, 1):
            for rise in (-0.1, 0.05, 0.2):
                start, stop = (side * 0.5, 0.5 + rise * 0.8), (side * 0.86, 0.42 + rise * 1.25)
                pen.line([start, stop], width=0.75 if face.thick else 1.0)


def _eyes(pen: _Pen, face: Face) -> None:
    iris = EYES[face.eyes]
    tall = 0.3 if face.person == "1girl" else 0.24
    for side in (-1, 1):
        x, y = side * 0.42, 0.2
        pen.oval(x, y, 0.26, tall, _WHITE, outline=False)
        pen.oval(x, y + 0.01, 0.21, tall - 0.02, iris, outline=False)
        pen.oval(x, y + 0.02, 0.09, tall * 0.5, _shade(iris, 0.35), outline=False)
        pen.oval(x - 0.07, y - tall * 0.42, 0.075, 0.075, _WHITE, outline=False)
        pen.line(_arc(x, y + 0.05, 0.28, tall + 0.06, math.pi * 1.08, math.pi * 1.92), width=1.5)
        pen.line(_arc(x, y - 0.1, 0.27, tall, math.pi * 1.2, math.pi * 1.8), width=0.8)


def _mouth(pen: _Pen, face: Face) -> None:
    y, lips, width = 0.68, (170, 44, 58), 0.7 if face.thick else 1.5
    if face.mouth == "smile":
        pen.line(_arc(0, y - 0.14, 0.3, 0.24, math.pi * 0.1, math.pi * 0.9), lips, width)
    elif face.mouth == "frown":
        pen.line(_arc(0, y + 0.2, 0.27, 0.22, math.pi * 1.12, math.pi * 1.88), lips, width)
    else:
        pen.oval(0, y + 0.01, 0.16, 0.17, (196, 52, 66))


def _front_hair(pen: _Pen, face: Face) -> None:
    fill = HAIR[face.hair]
    cap = _arc(0, -0.02, 1.13, 1.12, math.pi * 1.0, math.pi * 2.0)
    edge: list[Point] = [(1.1, 0.3), (0.86, 0.34), (0.8, -0.2)]
    for index, depth in enumerate(face.bangs):
        x = 0.66 - index * 0.44
        edge += [(x - 0.02, -0.28 + 0.3 * depth - 0.06), (x - 0.22, -0.42)]
    edge = [*edge[:-1], (-0.8, -0.2), (-0.86, 0.34), (-1.1, 0.3)]
    if face.spiked:
        cap = _spikes()
    pen.shape([*cap, *edge], fill)
    shine = _arc(-0.1, -0.4, 0.62, 0.34, math.pi * 1.2, math.pi * 1.6)
    pen.line(shine, _shade(fill, 1.35) if sum(fill) > 200 else (112, 106, 132), 1.2)


def _spikes() -> list[Point]:
    points: list[Point] = [(-1.13, -0.02)]
    for index in range(6):
        angle = math.pi * (1.04 + 0.92 * index / 5)
        before, after = angle - 0.22, angle + 0.22
        points.append((1.08 * math.cos(before), 1.05 * math.sin(before)))
        points.append((1.62 * math.cos(angle), 1.6 * math.sin(angle)))
        points.append((1.08 * math.cos(after), 1.05 * math.sin(after)))
    return [*points, (1.13, -0.02)]


def _accessory(pen: _Pen, face: Face) -> None:
    if face.accessory == "hat":
        pen.shape(_arc(0, -0.62, 1.16, 0.86, math.pi, 2 * math.pi), (176, 36, 84))
        pen.shape([(-1.3, -0.62), (1.3, -0.62), (1.2, -0.42), (-1.2, -0.42)], (120, 24, 62))
    elif face.accessory == "glasses":
        for side in (-1, 1):
            pen.line(_arc(side * 0.43, 0.2, 0.36, 0.36, 0, 2 * math.pi), (40, 40, 48), 1.1)
        pen.line([(-0.08, 0.18), (0.08, 0.18)], (40, 40, 48), 1.1)
    elif face.accessory == "hair ribbon":
        red = (236, 48, 92)
        pen.shape([(0.62, -0.92), (0.1, -1.3), (0.16, -0.66)], red)
        pen.shape([(0.62, -0.92), (1.12, -1.26), (1.1, -0.58)], red)
        pen.oval(0.62, -0.92, 0.13, 0.13, _shade(red, 0.75))
    elif face.accessory == "animal ears":
        for side in (-1, 1):
            pen.shape(
                [(side * 0.3, -1.0), (side * 0.98, -1.66), (side * 1.06, -0.6)], HAIR[face.hair]
            )
            pen.shape(
                [(side * 0.54, -1.02), (side * 0.88, -1.38), (side * 0.92, -0.8)],
                (255, 170, 180),
                outline=False,
            )


def _headband(pen: _Pen, face: Face) -> None:
    if not face.headband:
        return
    pen.shape([(-1.12, -0.5), (1.12, -0.5), (1.1, -0.18), (-1.1, -0.18)], (40, 52, 118))
    pen.shape([(-0.46, -0.5), (0.46, -0.5), (0.46, -0.18), (-0.46, -0.18)], (206, 212, 220))


_LAYERS: tuple[Callable[[_Pen, Face], None], ...] = (
    _scene,
    _back_hair,
    _body,
    _head,
    _eyes,
    _mouth,
    _front_hair,
    _headband,
    _accessory,
)

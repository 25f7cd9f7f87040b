"""What every metric that needs no hub sees in real art, whose artists are known.

    pip install resvg-py
    python performance/validity.py --cache FOLDER

It fetches six emoji families with npm, draws them, looks at them with the networks that ship, and
asks every metric: is the same artist told from another on things that neither showed before, how
many pictures does it take, and does it stay silent where nothing differs? It writes
docs/explanation/validity.json, and validity.md from that. `--page` writes the page anew, and asks
nothing.
Drawings and features stay in the cache: all of it takes some 20 minutes on one core, again one
third of that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from art.concepts import halves, relatives
from art.families import PACKAGES, SIDE, Family, fetch, read_family, read_words, shared_concepts
from art.page import page_of
from art.seen import PLAIN, Seen
from art.trials import (
    Drawn,
    Meter,
    Others,
    image_auc,
    in_order,
    null,
    over_artists,
    pairs_of,
    power,
    set_auc,
)

from harness import plugins
from harness.files import write_text
from harness.interfaces import FeatureSet, MetricSpec
from harness.metrics.style_probe import SPOILED

DOCS = Path(__file__).resolve().parents[1] / "docs" / "explanation"
SIZES = (96, 160, 224)
MIDDLE = 160
TOY = {"model": "pocket/inception"}
BY_IMAGE = ("style", "style-probe", "dino-i")
"""Metrics that give each image a value of its own, whatever other images there are."""
COUNTS, NULLS = (50, 100, 200), (50, 100)


@dataclass(frozen=True)
class Asked:
    """One row of the table: a metric in some features."""

    metric: str
    features: dict[str, Any]
    others: Others | None = None

    def spec(self) -> MetricSpec:
        page = {"use": self.metric, "features": self.features}
        found = plugins.specs("metrics")[self.metric].model_validate(page)
        assert isinstance(found, MetricSpec)
        return found


def all_asked() -> Iterator[Asked]:
    """Yield every row."""
    for px in SIZES:
        content, hand = {"use": "lite0", "side": px}, {"use": "lite0-style", "side": px}
        yield Asked("kid", content)
        yield Asked("style", hand)
        yield from (Asked("style-probe", hand, each) for each in ("named", "alone", "stranger"))
    content, hand = {"use": "lite0", "side": MIDDLE}, {"use": "lite0-style", "side": MIDDLE}
    for metric in ("cmmd", "fid", "precision", "recall", "density", "coverage"):
        yield Asked(metric, content)
    for metric in ("kid", "precision", "coverage", "dino-i"):
        yield Asked(metric, hand)
    yield Asked("kid", {"use": "classifier", **TOY})
    yield Asked("style", {"use": "gram", **TOY})
    yield Asked("kid", {"use": "thumbnail"})


def main(words: Sequence[str] | None = None) -> None:
    """Ask, and write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cache", type=Path, help="where packages, drawings and features are kept")
    parser.add_argument("--concepts", type=int, default=720, help="how many things are shown")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page is written")
    parser.add_argument("--page", action="store_true", help="write the page from the figures alone")
    asked = parser.parse_args(words)
    figures = asked.docs / "validity.json"
    if not asked.page:
        if asked.cache is None:
            parser.error("--cache names no folder")
        write_text(figures, json.dumps(measured(asked.cache, asked.concepts), indent=1) + "\n")
    write_text(asked.docs / "validity.md", page_of(json.loads(figures.read_text())))


def measured(cache: Path, count: int) -> dict[str, Any]:
    """Return all figures."""
    torch.set_num_threads(1)
    fetch(cache)
    families = {name: read_family(name, cache) for name in PACKAGES}
    words = read_words(cache)
    shared = shared_concepts(list(families.values()), words)
    chosen = sorted(shared, key=lambda each: hashlib.sha256(each.encode()).hexdigest())[:count]
    groups = relatives(chosen, words)
    seen = Seen(cache, families)
    rows = []
    for asked in all_asked():
        began = time.perf_counter()
        rows.append(row_of(asked, meter_of(asked, seen, list(families), halves(groups))))
        print(json.dumps(rows[-1]), f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return {
        "families": [described(family) for family in families.values()],
        "concepts": len(chosen),
        "groups": len(groups),
        "side": SIDE,
        "rows": rows,
    }


def described(family: Family) -> dict[str, str]:
    names = ("name", "title", "author", "licence", "source", "package")
    return {name: getattr(family, name) for name in names}


@torch.inference_mode()
def meter_of(
    asked: Asked, seen: Seen, artists: Sequence[str], parts: tuple[list[str], list[str]]
) -> Meter:
    """Return a metric with the drawings of all artists in its features."""
    spec = asked.spec()
    known, unseen = parts
    art = {}
    for name in artists:
        rows = seen.features(name, known + unseen, spec.extractor(), (PLAIN,))
        spoiled = None
        if "decoys" in spec.reads:
            damaged = seen.features(name, known, spec.extractor(), SPOILED)
            kinds = [SPOILED[at % len(SPOILED)] for at in range(len(known))]
            spoiled = FeatureSet(damaged, kinds, known, [0] * len(known))
        art[name] = Drawn(
            FeatureSet(rows[: len(known)], known, known, [0] * len(known)),
            FeatureSet(rows[len(known) :], unseen, unseen, [0] * len(unseen)),
            spoiled,
        )
    return Meter(spec, art, asked.metric in BY_IMAGE, asked.others or "named")


def row_of(asked: Asked, meter: Meter) -> dict[str, Any]:
    """Return what one metric answers."""
    each, sets = image_auc(meter), set_auc(meter)
    weakest = min(each, key=lambda pair: each[pair]) if each else None
    return {
        "metric": asked.metric,
        "features": asked.features["use"],
        "px": asked.features.get("side"),
        "others": asked.others,
        "image_auc": over_artists(each),
        "weakest": [*weakest, each[weakest]] if weakest else None,
        "set_auc": over_artists(sets),
        "power": {str(size): power(meter, size) for size in COUNTS},
        "null": {str(size): null(meter, size) for size in NULLS},
        "in_order": in_order(meter),
        "pairs": len(pairs_of(meter)),
        "lacking": len(pairs_of(meter)) - len(sets),
    }


if __name__ == "__main__":
    main()

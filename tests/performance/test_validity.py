"""What metrics see in art: the parts of the measurement, on packages and features made here."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import validity
from art import families
from art.concepts import halves, relatives
from art.page import page_of
from art.trials import (
    Drawn,
    Meter,
    image_auc,
    in_order,
    is_worse,
    null,
    over_artists,
    power,
    set_auc,
)

from harness.interfaces import Array, FeatureSet, Measurement, MetricSpec
from harness.metrics.specs.fidelity import Kid
from harness.metrics.specs.style import Style, StyleProbe
from harness.metrics.style_probe import SPOILED
from harness.pipeline.results.read import HEADLINE

WIDTH, COUNT = 8, 240
FEATURES = {"use": "lite0-style"}
STYLE = Style.model_validate({"use": "style", "features": FEATURES})
PROBE = StyleProbe(use="style-probe")
KID = Kid.model_validate({"use": "kid", "features": FEATURES})


def pack(folder: Path, package: str, **members: Any) -> None:
    """Write a package as npm does."""
    with tarfile.open(folder / families.archive_of(package), "w:gz") as archive:
        for name, content in members.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(f"package/{name.replace('__', '/')}.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    square = '<path d="M0 0h9v9z"/>'
    icons = {
        "apple": {"body": square},
        "flag-x": {"body": square},
        "wide": {"body": "", "width": 9},
    }
    info = {"name": "Noto", "author": {"name": "A", "url": "u"}, "license": {"spdx": "MIT"}}
    whole = {"icons": icons, "width": 16, "height": 16}
    chars = {"1f34e": "apple", "1f34f": "green-apple"}
    pack(tmp_path, families.PACKAGES["noto"], icons=whole, info=info, chars=chars)
    del icons["flag-x"]
    pack(tmp_path, families.PACKAGES["twemoji"], icons=whole, info=info)
    words = {"\U0001f34e": ["fruit", "red"], "\U0001f34f": ["fruit"]}
    pack(tmp_path, families.WORDS, **{"dist__emoji-en-US": words})
    return tmp_path


def test_families_share_what_all_of_them_drew_and_words_name(packages: Path) -> None:
    read = [families.read_family(name, packages) for name in ("noto", "twemoji")]
    assert set(read[0].drawings) == {"apple", "flag-x"}, "wide drawings are left out"
    words = families.read_words(packages)
    assert words["apple"] == {"apple", "fruit", "red"}
    assert words["green-apple"] == {"green", "apple", "fruit"}
    assert families.shared_concepts(read, words) == ["apple"]
    drawing = read[0].svg("apple")
    assert 'viewBox="0 0 16 16"' in drawing
    assert drawing.endswith('><path d="M0 0h9v9z"/></svg>')


def test_relatives_are_never_parted() -> None:
    rng = np.random.default_rng(1)
    words = {f"thing-{at}": frozenset(f"w{w}" for w in rng.integers(0, 40, 4)) for at in range(90)}
    groups = relatives(list(words), words)
    assert sorted(name for group in groups for name in group) == sorted(words)
    place = {name: at for at, group in enumerate(groups) for name in group}
    uses = Counter(word for said in words.values() for word in said)
    rare = {word for word, count in uses.items() if count <= 8}
    for one, said in words.items():
        for other, heard in words.items():
            if one != other and len(said & heard & rare) >= 2:
                assert place[one] == place[other]
    left, right = halves(groups)
    assert sorted(left + right) == sorted(words)
    assert not {place[name] for name in left} & {place[name] for name in right}
    assert abs(len(left) - len(right)) <= max(map(len, groups))


def rows(centre: float, count: int, seed: int, prefix: str, kind: str = "") -> FeatureSet:
    images = np.random.default_rng(seed).normal(size=(count, WIDTH))
    images[:, :2] += centre
    ids = [f"{prefix}{at}" for at in range(count)]
    return FeatureSet(images, [kind] * count, ids, [0] * count)


def art(*centres: float, count: int = COUNT) -> dict[str, Drawn]:
    far = [rows(30, 12, 77 + at, "s", damage) for at, damage in enumerate(SPOILED)]
    spoiled = FeatureSet(
        np.concatenate([each.images for each in far]),
        [each for each in SPOILED for _ in range(12)],
        [f"s{at}" for at in range(36)],
        [0] * 36,
    )
    return {
        f"artist-{at}": Drawn(
            rows(centre, 60, 10 + at, "seen"), rows(centre, count, 50 + at, "new"), spoiled
        )
        for at, centre in enumerate(centres)
    }


def meter(spec: MetricSpec, *centres: float, **options: Any) -> Meter:
    return Meter(spec, art(*centres), spec.use in validity.BY_IMAGE, **options)


@pytest.mark.parametrize("spec", [STYLE, PROBE, KID], ids=lambda spec: spec.use)
def test_artists_that_lie_far_apart_are_told_apart_and_one_artist_is_not(spec: MetricSpec) -> None:
    far = meter(spec, 0, 6)
    assert min(set_auc(far).values()) == 1
    assert power(far, 50) == 1
    assert in_order(far) == 1
    assert null(far, 50)[0] <= 3
    assert null(far, 50)[1] == 20


@pytest.mark.parametrize("spec", [STYLE, KID], ids=lambda spec: spec.use)
def test_two_names_of_one_style_are_not_told_apart(spec: MetricSpec) -> None:
    same = meter(spec, 1, 1)
    assert 0.2 < np.mean(list(set_auc(same).values())) < 0.8
    assert (power(same, 50) or 0) <= 0.4
    assert (in_order(same) or 0) <= 0.5


def test_the_auc_of_pictures_is_that_of_their_values() -> None:
    near = meter(STYLE, 0, 1.5)
    own, other = (
        np.square(
            unit(near.art[name].unseen.images) - unit(near.art["artist-0"].seen.images).mean(0)
        ).sum(1)
        for name in ("artist-0", "artist-1")
    )
    pairs = np.mean(own[:, None] < other[None])
    assert image_auc(near)["artist-0", "artist-1"] == pytest.approx(pairs)
    assert image_auc(meter(KID, 0, 1.5)) == {}, "no picture has a value of its own"


def unit(images: Array) -> Array:
    return np.asarray(images / np.linalg.norm(images, axis=1, keepdims=True))


def test_a_probe_knows_the_other_artists_that_it_is_told_of() -> None:
    three = {
        each: meter(PROBE, 0, 2.5, -2.5, others=each) for each in ("named", "alone", "stranger")
    }
    kinds = {
        each: {kind for rows in asked._styles("artist-0", "artist-1") for kind in rows.prompts}
        for each, asked in three.items()
    }
    assert kinds["named"] - set(SPOILED) == {"artist-1", "artist-2"}
    assert kinds["alone"] - set(SPOILED) == {"artist-1"}
    assert kinds["stranger"] - set(SPOILED) == {"artist-2"}
    pair = "artist-0", "artist-1"
    assert image_auc(three["alone"])[pair] > 0.9
    assert image_auc(three["stranger"])[pair] < 0.6


def test_values_of_single_pictures_make_those_of_sets() -> None:
    asked = meter(STYLE, 0, 1)
    chosen = np.arange(0, 100, 2)
    whole = asked.answer("artist-0", "artist-1", chosen)
    alone = Meter(STYLE, asked.art, by_image=False).answer("artist-0", "artist-1", chosen)
    assert (whole.value, whole.low, whole.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )


def test_the_interval_over_artists_is_by_t() -> None:
    values = {("a", "b"): 0.7, ("a", "c"): 0.9, ("b", "a"): 0.6, ("c", "a"): 1.0}
    found = over_artists(values)
    assert found is not None
    # means 0.8, 0.6, 1.0: 0.8 ± 4.3027 · 0.2 / √3
    assert found == pytest.approx((0.8, 0.8 - 0.49683, 1.0), abs=1e-4)
    assert over_artists({("a", "b"): 0.7}) is None


def test_worse_means_worse_in_the_metrics_own_direction() -> None:
    low, high = (
        Measurement(at, at - 1, at + 1, 9, prompts=np.full(9, at) + np.arange(9) / 99)
        for at in (1.0, 2.0)
    )
    assert is_worse(high, low, rises=True)
    assert not is_worse(high, low, rises=False)
    assert is_worse(low, high, rises=False)
    assert is_worse(low, Measurement(None, None, None, 9), rises=True) is None


def test_the_page_shows_every_row_and_every_artist() -> None:
    figures = json.loads((validity.DOCS / "validity.json").read_text())
    page = page_of(figures)
    assert page == (validity.DOCS / "validity.md").read_text(), "write it: validity.py --page"
    shown, sizes = page.split("## How large a picture must be")
    asked = {
        (each.metric, each.features["use"], each.features.get("side"), each.others)
        for each in validity.all_asked()
    }
    names = ("metric", "features", "px", "others")
    there = [tuple(row[name] for name in names) for row in figures["rows"]]
    assert set(there) <= asked
    assert shown.count("\n| `") == len(there) == len(set(there)) >= 15
    assert sizes.count("\n| `") >= 3, "metrics that were asked at several sizes"
    assert {each["licence"] for each in figures["families"]} == {"Apache-2.0", "MIT", "CC-BY-4.0"}


def test_headlines_rank_in_the_order_of_what_they_see_in_real_art() -> None:
    rows = json.loads((validity.DOCS / "validity.json").read_text())["rows"]
    best = {
        name: max(
            row["power"]["50"]
            for row in rows
            if (row["metric"], row["px"]) == (name, 160) and row["others"] != "named"
        )
        for name in HEADLINE
        if any(row["metric"] == name for row in rows)
    }
    assert list(best) == ["kid", "style-probe", "cmmd", "fid"]
    assert best["style-probe"] > best["kid"] >= best["cmmd"] > best["fid"]


def test_the_style_meter_is_valid_on_real_art() -> None:
    rows = json.loads((validity.DOCS / "validity.json").read_text())["rows"]
    (row,) = [
        each
        for each in rows
        if (each["metric"], each["others"], each["features"], each["px"])
        == ("style-probe", "named", "lite0-style", 160)
    ]
    value, low, _ = row["image_auc"]
    assert value >= 0.85
    assert low > 0.8
    for found, tried in row["null"].values():
        assert tried == 60
        assert found / tried <= 0.1

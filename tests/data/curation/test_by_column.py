"""The rules over columns do what the rules row by row do, to every row and letter."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columns_of import MEANING, by_columns, by_rows, write
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.curation.by_column import select
from harness.data.curation.by_row import curate
from harness.data.curation.engine import Limits
from harness.data.curation.rules import CurationSettings
from harness.data.curation.table import metadata_of, parquet
from harness.data.near_duplicates import firsts, masks
from harness.data.sources.pocket import pocket
from harness.data.specs import Folder, Pocket
from harness.errors import UsageError
from harness.pages import recipe
from harness.pages.data import Caption, Curate, Recaption

DANBOORU = recipe.load("danbooru-1024").data
ANIME_BOYS, ANIMAGINE = (recipe.load(name).data for name in ("animeboys-xl", "animagine-xl-2"))
assert DANBOORU is not None
assert ANIME_BOYS is not None
assert ANIMAGINE is not None
PLAN = CurationSettings(curate=DANBOORU.curate, caption=DANBOORU.caption)
SCALES = {
    "animeboys-xl": CurationSettings(caption=ANIME_BOYS.caption),
    "animagine-xl-2": CurationSettings(caption=ANIMAGINE.caption),
}
ODD = [
    "it's",
    'a "quote"',
    "50%_off",
    "初音ミク",
    "ñandú",
    "a,b",
    "tab\there",
    "é\u0301",
    "\u3000",
    "x\u00a0y",
    "{curly}",
    "$1",
    "\\1",
    "%s",
    "new\nline",
    "\u200bzero",
    "nul\x00l",
    "",
    "🎨",
    "'; DROP TABLE posts; --",
]
TAGS = [
    "1girl",
    "long_hair",
    "long hair",
    "solo",
    "night",
    "day",
    "signature",
    "artist_name",
    "highres",
    "@somebody",
    "1girl",
    "_",
    "__",
    "dayo",
]
NUMBERS = [
    0,
    1,
    -5,
    75,
    100,
    150,
    767,
    768,
    1000,
    1400,
    6.675,
    5.0,
    2019,
    1e-9,
    -0.0,
    1e300,
    math.inf,
    -math.inf,
    math.nan,
    None,
]
PAGE: dict[str, Any] = {
    "min_side": 500,
    "max_side": 1500,
    "min_pixels": 400_000,
    "aspect": [0.5, 2.0],
    "ratings": ["general", "it's"],
    "score": {"at_least": -5, "at_most": 150},
    "aesthetic": {"at_least": 5.0},
    "year": {"at_most": 2019},
    "tags": {"all_of": ["1girl"], "any_of": ["long hair", "solo"], "none_of": ["dayo"]},
    "subset": {"share": 0.5, "salt": "it's"},
    "near_duplicates": 3,
}
CLEANINGS = ["urls", "signatures", "control", "whitespace", "duplicates"]


def curating(**page: Any) -> Curate:
    return Curate.model_validate_json(json.dumps(page))


def captioning(**page: Any) -> Caption:
    return Caption.model_validate_json(json.dumps(page))


def whole(number: Any) -> int | None:
    return None if number is None or not math.isfinite(number) else int(min(number, 1e6))


@st.composite
def posts(draw: st.DrawFn) -> dict[str, Any]:
    number = st.sampled_from(NUMBERS) | st.floats() | st.none()
    side = st.integers(1, 2000) | st.sampled_from([0, 499, 500, 1500, 1501, None, math.nan])
    letters = st.text(max_size=12) | st.sampled_from([*ODD, "see https://a.b/c?d=e, @me!"])
    gap = draw(st.sampled_from([" ", ", ", ",", "  ", "\t", "\u2003"]))
    return {
        "id": draw(st.text(max_size=4)),
        "caption": draw(st.none() | letters),
        "danbooru_tags": draw(
            st.none() | st.lists(st.sampled_from([*TAGS, *ODD]), max_size=8).map(gap.join)
        ),
        "rating": draw(st.sampled_from(["general", "safe", "explicit", "it's", "", None])),
        "score": draw(number),
        "aesthetic": draw(number),
        "year": draw(number),
        "width": draw(side),
        "height": draw(side),
        "phash": draw(st.sampled_from([None, 0, 1, 7, 15, 2**63]) | st.integers(0, 2**64 - 1)),
    }


@st.composite
def pages(draw: st.DrawFn) -> CurationSettings:
    chosen = draw(st.sets(st.sampled_from(sorted(PAGE)), max_size=4))
    curate = {name: PAGE[name] for name in chosen}
    if draw(st.booleans()):
        curate["limit"] = draw(st.integers(1, 6))
    scales = draw(st.sampled_from([ANIME_BOYS, ANIMAGINE, DANBOORU])).caption  # type: ignore[union-attr]
    caption = scales.model_copy(
        update={
            "words": draw(st.sampled_from(["caption", "tags", "tags+caption", "none"])),
            "clean": tuple(draw(st.lists(st.sampled_from(CLEANINGS), unique=True))),
            "important": draw(st.sampled_from([None, (), ("1girl", "long_hair", "it's")])),
            "prefix": draw(st.sampled_from(["", 'it\'s "so" 100%'])),
            "shuffle": draw(st.booleans()) and draw(st.booleans()),
        }
    )
    return CurationSettings(curate=curating(**curate), caption=caption)


TYPES = {
    "id": pa.string(),
    "caption": pa.string(),
    "danbooru_tags": pa.string(),
    "rating": pa.string(),
    "score": pa.float64(),
    "aesthetic": pa.float64(),
    "year": pa.float64(),
    "width": pa.float64(),
    "height": pa.float64(),
    "phash": pa.uint64(),
}


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=st.lists(posts(), min_size=1, max_size=12), rules=pages())
def test_columns_and_rows_agree_on_any_page_and_any_row(
    rows: list[dict[str, Any]], rules: CurationSettings
) -> None:
    with TemporaryDirectory() as folder:
        files = [write(Path(folder) / "rows.parquet", rows, **TYPES)]
        assert by_columns(files, rules) == by_rows(files, rules)


def ten_thousand(seed: int) -> list[dict[str, Any]]:
    """Return random rows with everything that is odd about real ones."""
    dice = random.Random(seed)
    known = [*NUMBERS, *range(-10, 200, 7)]
    return [
        {
            "id": str(at),
            "caption": dice.choice([None, *ODD, "A girl walks home.", "by @artist_01 https://x.y"]),
            "danbooru_tags": " ".join(dice.choices([*TAGS, *ODD], k=dice.randrange(12))),
            "rating": dice.choice(
                ["general", "safe", "sensitive", "questionable", "explicit", "", "General", None]
            ),
            "score": dice.choice(known),
            "aesthetic": dice.choice([*known, 6.674, 5.999, 4.999]),
            "year": dice.choice([None, 0, 2005, 2019.0, 2023]),
            "width": dice.choice([None, 767, 768, 1000, 1075, 1400, 537.6, math.nan, math.inf]),
            "height": dice.choice([None, 767, 768, 1000, 1076, 1536, 0, math.nan, math.inf]),
            "phash": dice.choice([None, dice.getrandbits(64), dice.getrandbits(4)]),
        }
        for at in range(10_000)
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, rows = tmp_path_factory.mktemp("many"), ten_thousand(7)
    halves = rows[:6000], rows[6000:]
    return [write(folder / f"it's {at}.parquet", half, **TYPES) for at, half in enumerate(halves)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan", *SCALES, "everything", "clean", "held-out"])
def test_columns_and_rows_agree_on_ten_thousand_odd_rows(name: str, many: list[Path]) -> None:
    rules = {
        "plan": PLAN,
        **SCALES,
        "everything": CurationSettings(
            curate=curating(**PAGE | {"min_pixels": 1}), caption=PLAN.caption
        ),
        "clean": CurationSettings(caption=captioning(words="tags+caption", clean=CLEANINGS)),
        "held-out": CurationSettings(
            part="held-out", curate=curating(near_duplicates=2, limit=500)
        ),
    }[name]
    (columns, dropped), (rows, others) = by_columns(many, rules), by_rows(many, rules)
    assert columns == rows
    assert len(columns) > 0
    assert dropped == others


IMPORTANT = frozenset(DANBOORU.caption.important or ())


def prompt_of_the_plan(row: dict[str, Any]) -> str:
    """Return the prompt as the code of the anime LoRA plan builds it."""
    selected = [
        tag.replace("_", " ") for tag in row["danbooru_tags"].split(" ") if tag in IMPORTANT
    ]
    prompt = "masterpiece, best quality"
    if selected:
        prompt += ", " + ", ".join(selected)
    if row["caption"]:
        prompt += ", " + row["caption"]
    return prompt


def kept_by_the_plan(row: dict[str, Any]) -> bool:
    shape = row["width"] / row["height"]
    return (
        min(row["width"], row["height"]) >= 768
        and 0.7 <= shape <= 1.4
        and row.get("rating") in ["general", "safe"]
    )


def test_ten_thousand_rows_and_prompts_are_those_of_the_plans_code(tmp_path: Path) -> None:
    dice = random.Random(3)
    words = [*sorted(IMPORTANT), "it's", "50%_off", "初音ミク", '"quoted"', "highres", "long hair?"]
    rows = [
        {
            "id": str(at),
            "caption": dice.choice([None, "", *ODD, "A girl. 100% 'her'."]),
            "danbooru_tags": " ".join(dice.choices(words, k=dice.randrange(1, 20))),
            "rating": dice.choice(["general", "safe", "explicit", None]),
            "width": dice.randrange(600, 1600),
            "height": dice.randrange(600, 1600),
        }
        for at in range(10_000)
    ]
    found, _ = by_columns([write(tmp_path / "rows.parquet", rows, **TYPES)], PLAN)
    expected = [(row["id"], prompt_of_the_plan(row)) for row in rows if kept_by_the_plan(row)]
    assert [(name, prompt) for name, prompt, _ in found] == expected
    assert 1000 < len(found) < 9000


BOUNDS = {
    "animeboys-xl": {
        "score": [
            (1e9, "best quality"),
            (150, "best quality"),
            (149.999, "amazing quality"),
            (100, "amazing quality"),
            (99.999, "great quality"),
            (75, "great quality"),
            (74.999, "normal quality"),
            (0, "normal quality"),
            (-0.0, "normal quality"),
            (-0.001, "bad quality"),
            (-4.999, "bad quality"),
            (-5, "worst quality"),
            (-5.001, "worst quality"),
            (math.inf, "best quality"),
            (-math.inf, "worst quality"),
            (None, ""),
            (math.nan, ""),
        ],
        "aesthetic": [
            (6.675, "best aesthetic"),
            (6.6749999, "great aesthetic"),
            (6.0, "great aesthetic"),
            (5.9999999, "normal aesthetic"),
            (5.0, "normal aesthetic"),
            (4.9999999, "bad aesthetic"),
            (-1.0, "bad aesthetic"),
            (None, ""),
        ],
        "rating": [
            ("general", ""),
            ("sensitive", "slightly nsfw"),
            ("questionable", "fairly nsfw"),
            ("explicit", "very nsfw"),
            (None, ""),
        ],
        "year": [
            (2005, "year 2005"),
            (2023, "year 2023"),
            (2019.0, "year 2019"),
            (None, ""),
            (0, ""),
            (math.nan, ""),
        ],
    },
    "animagine-xl-2": {
        "score": [
            (150.001, "masterpiece"),
            (150, "best quality"),
            (149.999, "best quality"),
            (100, "best quality"),
            (99.999, "high quality"),
            (75, "high quality"),
            (74.999, "medium quality"),
            (25, "medium quality"),
            (24.999, "normal quality"),
            (0, "normal quality"),
            (-0.001, "low quality"),
            (-4.999, "low quality"),
            (-5, "low quality"),
            (-5.001, "worst quality"),
            (None, ""),
            (math.nan, ""),
        ],
        "rating": [
            ("general", ""),
            ("sensitive", ""),
            ("questionable", "nsfw"),
            ("explicit", "nsfw"),
            (None, ""),
        ],
    },
}
CASES = [
    (recipe_name, fact, value, word)
    for recipe_name, facts in BOUNDS.items()
    for fact, cases in facts.items()
    for value, word in cases
]


@pytest.mark.parametrize("engine", [by_columns, by_rows], ids=["columns", "rows"])
@pytest.mark.parametrize("name", list(BOUNDS))
def test_every_bound_of_a_vocabulary_gives_its_word(name: str, engine: Any, tmp_path: Path) -> None:
    cases = [(fact, value, word) for owner, fact, value, word in CASES if owner == name]
    rows = [{"id": str(at), fact: value} for at, (fact, value, _) in enumerate(cases)]
    found, _ = engine([write(tmp_path / "rows.parquet", rows, **TYPES)], SCALES[name])
    assert [prompt for _, prompt, _ in found] == [word for _, _, word in cases]


def test_a_value_that_is_no_number_is_unknown_even_where_statistics_hide_it(tmp_path: Path) -> None:
    rows = [
        {"id": str(at), "width": 900.0, "height": side, "score": side}
        for at, side in enumerate([900.0, math.nan, 900.0])
    ]
    file = write(tmp_path / "rows.parquet", rows, **TYPES)
    rules = CurationSettings(curate=curating(min_side=900))
    assert [name for name, _, _ in by_columns([file], rules)[0]] == ["0", "2"]
    assert by_columns([file], SCALES["animeboys-xl"])[0][1][1] == ""


def test_columns_of_other_types_mean_the_same(tmp_path: Path) -> None:
    """Counts as int16, a category as a dictionary, numbers and hashes as text, tags as lists."""
    rows = [
        {
            "id": 7,
            "caption": "a",
            "danbooru_tags": ["1girl", "", "long_hair"],
            "rating": "safe",
            "score": "150",
            "aesthetic": "6.7e0",
            "year": 2019,
            "width": 900,
            "height": "1000",
            "phash": "FFFFFFFFFFFFFFFF",
        },
        {
            "id": 8,
            "caption": None,
            "danbooru_tags": None,
            "rating": None,
            "score": "many",
            "aesthetic": " 6.7",
            "year": 0,
            "width": None,
            "height": "",
            "phash": "xyz",
        },
    ]
    types = {
        "rating": pa.dictionary(pa.int8(), pa.string()),
        "year": pa.int16(),
        "width": pa.uint16(),
        "danbooru_tags": pa.list_(pa.string()),
    }
    file = write(tmp_path / "rows.parquet", rows, **types)
    scales = ANIME_BOYS.caption.model_copy(update={"words": "tags+caption"})  # type: ignore[union-attr]
    for page in ({}, {"min_side": 900, "score": {"at_least": 150}, "near_duplicates": 1}):
        rules = CurationSettings(curate=curating(**page), caption=scales)
        (columns, dropped), (others, counted) = by_columns([file], rules), by_rows([file], rules)
        assert [row[:2] for row in columns] == [row[:2] for row in others]
        assert dropped == counted
    assert by_columns([file], CurationSettings(caption=scales))[0][0][:2] == (
        "7",
        "best quality, year 2019, 1girl, long hair, a",
    )


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 5, 8])
def test_near_duplicates_are_those_of_brute_force(distance: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(distance)
    seeds = rng.integers(0, 2**63, 40)
    hashes = [
        int(seeds[rng.integers(40)])
        ^ sum(1 << bit for bit in set(rng.integers(0, 64, flips).tolist()))
        for flips in rng.integers(0, 9, 600)
    ]
    expected: list[int] = []
    for at, each in enumerate(hashes):
        if all((each ^ hashes[other]).bit_count() > distance for other in expected):
            expected.append(at)
    rows = [{"id": str(at), "phash": each} for at, each in enumerate(hashes)]
    file = write(tmp_path / "rows.parquet", rows, **TYPES)
    rules = CurationSettings(curate=curating(near_duplicates=distance))
    for engine in (by_columns, by_rows):
        found, dropped = engine([file], rules)
        assert [int(name) for name, _, _ in found] == expected
        assert dropped == {"near_duplicates": 600 - len(expected)}


def test_a_hundred_thousand_hashes_are_not_compared_each_with_each() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, 100_000).astype(np.uint64)
    near = hashes[::100] ^ np.uint64(0b1011)
    assert len(masks(4, 2)) == 15
    kept = firsts(np.concatenate([hashes, near]), 4)
    assert kept[:100_000].all()
    assert not kept[100_000:].any()


def test_a_subset_is_the_same_in_any_order_and_beside_any_other_rule(tmp_path: Path) -> None:
    rows = [{"id": f"post {at}", "score": at % 7} for at in range(2000)]
    subset = {"share": 0.1, "salt": "a"}

    def kept(rows: list[dict[str, Any]], **page: Any) -> set[str]:
        file = write(tmp_path / "rows.parquet", rows, **TYPES)
        found, _ = by_columns([file], CurationSettings(curate=curating(**page)))
        return {name for name, _, _ in found}

    whole, turned = kept(rows, subset=subset), kept(rows[::-1], subset=subset)
    assert whole == turned
    assert 140 < len(whole) < 260
    some = kept(rows, subset=subset, score={"at_least": 3})
    assert some == whole & kept(rows, score={"at_least": 3})
    assert kept(rows, subset={"share": 0.2, "salt": "a"}) > whole
    assert kept(rows, subset={"share": 0.1, "salt": "b"}) != whole


@pytest.mark.parametrize("merge", ["prefer", "append", "replace"])
def test_captions_from_elsewhere_are_merged_alike_and_leave_the_order(
    merge: str, tmp_path: Path
) -> None:
    rows = [{"id": str(at), "caption": f"own {at}" if at % 3 else None} for at in range(500)]
    file = write(tmp_path / "rows.parquet", rows, **TYPES)
    others = {
        "id": ["5", "4", "5", "400", "6", "none"],
        "caption": [None, "four", "five", "", "it's", "x"],
    }
    pq.write_table(pa.table(others), tmp_path / "captions.parquet")
    spec = Recaption(file=str(tmp_path / "captions.parquet"), merge=merge)  # type: ignore[arg-type]
    found, _ = by_columns([file], CurationSettings(recaption=spec))
    assert found == by_rows([file], CurationSettings(recaption=spec))[0]
    said = {name: prompt for name, prompt, _ in found}
    assert {
        "prefer": ("four", "five", "own 400", "it's", "own 7"),
        "append": ("own 4, four", "own 5, five", "own 400", "it's", "own 7"),
        "replace": ("four", "five", "", "it's", ""),
    }[merge] == tuple(said[name] for name in ("4", "5", "400", "6", "7"))


def test_a_recaption_file_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "captions.parquet")
    file = write(tmp_path / "rows.parquet", [{"id": "1"}], **TYPES)
    spec = Recaption(file=str(tmp_path / "captions.parquet"))
    with pytest.raises(UsageError, match="has no column 'caption' \\(it has id\\)"):
        by_columns([file], CurationSettings(recaption=spec))


def test_threads_and_memory_change_no_row(many: list[Path]) -> None:
    table = parquet(tuple(many), MEANING)
    rules = CurationSettings(curate=curating(min_side=700, near_duplicates=2), caption=PLAN.caption)
    found = []
    for limits in (Limits(1, "300MB"), Limits(2, "900MB")):
        batches = [batch for _, batch in select([table], rules, Counter(), limits)]
        found.append(repr(pa.Table.from_batches(batches).to_pylist()))  # NaN is no NaN
    assert found[0] == found[1]


def test_sources_without_columns_are_read_as_rows(tmp_path: Path) -> None:
    source = Pocket(use="pocket", set="faces", count=300)
    rules = CurationSettings(curate=PLAN.curate, caption=ANIME_BOYS.caption)  # type: ignore[union-attr]
    dropped: Counter[str] = Counter()
    tables = [metadata_of(source)]
    names = [
        name for _, batch in select(tables, rules, dropped) for name in batch["id"].to_pylist()
    ]

    counted: Counter[str] = Counter()
    assert names == [row.id for row in curate(pocket(source), rules, counted)]
    assert dropped == counted
    with pytest.raises(UsageError, match="there is no folder"):
        metadata_of(Folder(use="folder", path=str(tmp_path / "nowhere")))


def test_a_file_that_lacks_a_named_column_says_which_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "text": ["a"]}), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="has no column 'caption' \\(it has id, text\\)"):
        parquet((tmp_path / "rows.parquet",), MEANING)

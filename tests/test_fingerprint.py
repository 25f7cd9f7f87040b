from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fingerprint import canonical, digest, digest_file, number_of

json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


def test_the_canonical_form_leaves_no_choice_in_spelling() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'


def test_a_digest_is_the_sha256_of_the_canonical_form() -> None:
    expected = hashlib.sha256('{"a":"é"}'.encode()).hexdigest()
    assert digest({"a": "é"}) == expected


@pytest.mark.slow
@given(value=st.dictionaries(st.text(st.characters(codec="utf-8")), json_like))
def test_the_order_of_keys_leaves_a_digest_alone(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert digest(turned) == digest(value)


@given(first=json_like, second=json_like)
def test_values_that_read_alike_are_the_ones_that_share_a_digest(
    first: object, second: object
) -> None:
    assert (digest(first) == digest(second)) == (canonical(first) == canonical(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, 1.0), (1, "1"), (None, ""), (True, 1), ([1, 2], [2, 1]), ([], {}), ("a b", "a  b")],
)
def test_values_of_another_kind_or_order_have_another_digest(first: object, second: object) -> None:
    assert digest(first) != digest(second)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_say_has_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"rate": value})


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_is_digested_by_its_bytes_whatever_its_size(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    (tmp_path / "file").write_bytes(content)
    assert digest_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_number_of_a_name_is_the_same_for_ever() -> None:
    expected = int.from_bytes(hashlib.sha256(b"noise\x1f7").digest()[:8], "big") >> 1
    assert number_of("noise", 7) == expected == 8945040132631560491


@given(parts=st.lists(st.text(st.characters(codec="utf-8")) | st.integers(), min_size=1))
def test_the_number_of_a_name_seeds_any_generator(parts: list[str | int]) -> None:
    assert 0 <= number_of(*parts) < 2**63


def test_the_number_of_a_name_depends_on_every_part_and_their_borders() -> None:
    names = [("a", "b"), ("ab",), ("b", "a"), ("a", "b", ""), ("a", 1), ("a1",)]
    assert len({number_of(*name) for name in names}) == len(names)

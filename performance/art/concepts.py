"""Two halves of all concepts, with relatives on one side: what is unseen is unlike what was seen.

Relatives share words that few concepts have: an apple and a red apple, a clock at one and at two.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

RARE = 8
"""Words of more concepts than this relate none of them."""
SHARED = 2
"""How many rare words relatives have in common."""


def relatives(
    concepts: Sequence[str], words: Mapping[str, frozenset[str]]
) -> list[tuple[str, ...]]:
    """Return the concepts in groups: a chain of relatives is one group."""
    by_word: defaultdict[str, list[str]] = defaultdict(list)
    for concept in sorted(concepts):
        for word in words[concept]:
            by_word[word].append(concept)
    shared = Counter(
        pair for named in by_word.values() if len(named) <= RARE for pair in combinations(named, 2)
    )
    group = {concept: {concept} for concept in concepts}
    for (one, other), count in shared.items():
        if count >= SHARED and group[one] is not group[other]:
            group[one] |= group[other]
            for moved in group[other]:
                group[moved] = group[one]
    return sorted({tuple(sorted(each)) for each in group.values()})


def halves(groups: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return all concepts in two halves of nearly one size; no group is in both.

    Groups come in an order that their names' hashes give, and each goes to the smaller half.
    """
    order = sorted(groups, key=lambda group: hashlib.sha256(group[0].encode()).hexdigest())
    sides: tuple[list[str], list[str]] = ([], [])
    for group in order:
        min(sides, key=len).extend(group)
    return sides

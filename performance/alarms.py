"""How often gates are wrong, and how often they see harm: `python performance/alarms.py REPORTS`.

REPORTS is where `harness calibrate pocket-v1 --draws 21 --trainings 9` left the runs of
pocket-ninja that should be equal, and `harness demo` the result of pocket-ninja-short.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.decisions.contender import Contender, read
from harness.decisions.gate import gate
from harness.decisions.noise import Noise
from harness.decisions.noise import read as read_noise
from harness.decisions.reproduction import as_equal

SIGMA = 0.5
"""The drop that is put in, in standard deviations of the baseline's prompts."""


def runs(folder: Path, kind: str, signature: str) -> list[Contender]:
    files = sorted((folder / "null" / "pocket-ninja").glob(f"pocket-ninja.{kind}*.json"))
    return [as_equal(read(file), signature) for file in files]


def dropped(side: Contender, column: str) -> Contender:
    """Return a contender whose images all lost half a standard deviation in one metric."""
    prompts = side.prompts[column]
    drop = SIGMA * float(np.std([*prompts.values()], ddof=1))
    scores = tuple(
        score.model_copy(
            update={name: getattr(score, name) - drop for name in ("value", "low", "high")}
        )
        if score.metric == column
        else score
        for score in side.result.scores
    )
    return replace(
        side,
        result=side.result.model_copy(update={"scores": scores}),
        prompts={**side.prompts, column: {key: value - drop for key, value in prompts.items()}},
        samples={
            **side.samples,
            column: {key: value - drop for key, value in side.samples[column].items()},
        },
    )


def tell(what: str, pairs: list[tuple[Contender, Contender]], noise: Noise) -> None:
    found = [gate(candidate, baseline, noise=noise).verdict for candidate, baseline in pairs]
    rises = [
        float(a.score("fid").value or 0) > float(b.score("fid").value or 0)  # type: ignore[union-attr]
        for a, b in pairs
        if a.score("fid") and b.score("fid")
    ]
    shares = [
        f"{verdict} {found.count(verdict) / len(found):.1%}"
        for verdict in ("fail", "pass", "under-powered")
    ]
    print(
        f"{what:<44} {len(pairs):>4} pairs  {', '.join(shares)}; FID went up {np.mean(rises):.1%}"
    )


def main(reports: Path) -> None:
    folder, baseline = reports / "pocket-v1", reports / "baselines/pocket-v1/pocket-ninja.json"
    noise = read_noise(baseline)
    assert noise is not None
    draws, trainings = (runs(folder, kind, noise.signature) for kind in ("draw", "seed"))
    tell("equal, other sampling seeds", list(combinations(draws, 2)), noise)
    tell("equal, other training seeds", list(combinations(trainings, 2)), noise)
    short = as_equal(read(folder / "pocket-ninja-short.json"), noise.signature)
    tell("underfitted beside each draw", [(short, draw) for draw in draws], noise)
    tell("underfitted beside each training", [(short, run) for run in trainings], noise)
    spoiled = [(dropped(a, "aesthetic"), b) for a, b in combinations(draws, 2)]
    tell(f"aesthetic {SIGMA} standard deviations worse", spoiled, noise)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

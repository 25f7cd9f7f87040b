"""What decisions return: values that show themselves in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.boards import printed
from harness.api.options import Workspace
from harness.api.pictures import finder
from harness.api.results import judgement_of
from harness.decisions.compare import Comparison
from harness.decisions.contender import Contender
from harness.decisions.gate import Gate
from harness.decisions.history import Change, Event
from harness.escaping import one_line
from harness.records import column_of
from harness.report.pairs import (
    PicturedPair,
    WorstPair,
    case_pairs,
    gated,
    pictured,
    widest_pairs,
    worst_pairs,
)

if TYPE_CHECKING:
    import pandas as pd

PICTURES = 6
"""Pairs of pictures that a notebook shows of a comparison."""


@dataclass(frozen=True)
class Comparisons:
    """One result beside one or more others.

    >>> found = harness.compare("tiny", "pocket-base", draws=19)
    >>> len(found), found.sides[0].result.recipe
    (1, 'tiny')
    """

    comparisons: tuple[Comparison, ...] = field(repr=False)
    sides: tuple[Contender, ...] = field(repr=False)
    """The first result, and those that it is compared with."""
    files: tuple[Path, ...]
    workspace: Workspace = field(repr=False)

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __len__(self) -> int:
        return len(self.comparisons)

    def __getitem__(self, at: int) -> Comparison:
        return self.comparisons[at]

    @property
    def verdict(self) -> str:
        """Return better, worse, no-difference or under-powered: the first beside the second."""
        return self.comparisons[0].verdict

    @property
    def sentence(self) -> str:
        """Return each comparison in one sentence."""
        from harness.report.comparison import sentence

        return "\n".join(f"{sentence(each)}." for each in self.comparisons)

    def pairs(self, most: int = PICTURES) -> tuple[PicturedPair, ...]:
        """Return the images of the first two results that differ most, with their pictures."""
        a, b, *_ = self.sides
        metrics = self.comparisons[0].metrics
        told = [each for each in metrics if each.declared] or metrics
        columns = [column_of(each.metric) for each in told]
        finders = [
            finder(side.result, file, self.workspace)
            for side, file in zip((a, b), self.files[:2], strict=True)
        ]
        return pictured(widest_pairs(a, b, columns, most), _texts(a), *finders)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each metric and comparison."""
        import pandas as pd

        columns = ("metric", "a", "b", "delta", "low", "high", "p_adjusted", "mde", "verdict")
        return pd.DataFrame(
            {"A": each.a, "B": each.b} | {name: getattr(finding, name) for name in columns}
            for each in self.comparisons
            for finding in each.metrics
        )

    def __str__(self) -> str:
        from harness.report.comparison import print_comparison, print_comparisons

        if len(self.comparisons) > 1:
            return printed(lambda console: print_comparisons(self.comparisons, console))
        return printed(lambda console: print_comparison(self.comparisons[0], console))

    def __repr__(self) -> str:
        return f"<Comparisons: {self.sentence}>"

    def _repr_html_(self) -> str:
        from harness.report.notebook import comparisons_html

        return comparisons_html(self.comparisons, self.pairs())


@dataclass(frozen=True)
class GateDecision:
    """A gate's verdict, with both sides and their files.

    >>> kept = harness.accept("tiny", benchmark="tiny-v1")
    >>> found = harness.gate("tiny", baseline=kept)
    >>> found.verdict, found.passed
    ('pass', True)
    """

    gate: Gate
    candidate: Contender = field(repr=False)
    baseline: Contender = field(repr=False)
    file: Path
    against: Path
    workspace: Workspace = field(repr=False)

    @property
    def verdict(self) -> str:
        """Return pass, fail or under-powered."""
        return self.gate.verdict

    @property
    def passed(self) -> bool:
        """Return whether the candidate may pass."""
        return self.gate.verdict == "pass"

    def pairs(self, most: int = 12) -> tuple[PicturedPair, ...]:
        """Return the images that lost most beside the baseline, with their pictures."""
        return self._pictured(worst_pairs(self.candidate, self.baseline, gated(self.gate), most))

    def cases(self) -> tuple[PicturedPair, ...]:
        """Return images of the policy's cases beside the baseline's, with their pictures."""
        return self._pictured(case_pairs(self.gate, self.candidate, self.baseline))

    def _pictured(self, pairs: Sequence[WorstPair]) -> tuple[PicturedPair, ...]:
        before = finder(self.baseline.result, self.against, self.workspace)
        after = finder(self.candidate.result, self.file, self.workspace)
        return pictured(pairs, _texts(self.baseline), before, after)

    def comment(self, where: str) -> str:
        """Comment on a pull request, or update our comment there; return its address.

        `where` is a number, `OWNER/NAME#12`, or `here` in a workflow of a pull request. The token
        is GITHUB_TOKEN or GH_TOKEN.
        """
        from harness.delivery import pull_request
        from harness.report.review import marker, review

        pull, result = pull_request.find(where), self.candidate.result
        first = marker(result.recipe, result.benchmark)
        page = pull_request.address_of_workflow()
        pictures = self.pairs(), self.cases()
        body = review(self.gate, first, pictures, page, pull_request.ROOM)
        return pull_request.comment(pull, first, body)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each check."""
        import pandas as pd

        return pd.DataFrame([vars(check) for check in self.gate.checks])

    def __str__(self) -> str:
        from harness.report.gate import gate_text

        return gate_text(self.gate)

    def __repr__(self) -> str:
        names = self.gate.comparison
        return one_line(f"<GateDecision {self.verdict}: {names.a} beside {names.b}>")

    def _repr_html_(self) -> str:
        from harness.report.notebook import gate_html

        return gate_html(self.gate, self.pairs(PICTURES))


@dataclass(frozen=True)
class History:
    """A recipe's gates and accepted baselines, and where its values stepped.

    >>> kept = harness.accept("tiny", benchmark="tiny-v1")
    >>> found = harness.history("tiny", benchmark="tiny-v1")
    >>> len(found) > 0, found.steps
    (True, ())
    """

    recipe: str
    benchmark: str
    events: tuple[Event, ...] = field(repr=False)
    steps: tuple[Change, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.events)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each event and metric."""
        import pandas as pd

        return pd.DataFrame(
            {"at": each.at, "outcome": each.outcome, "commit": each.commit, "note": each.note}
            | {"metric": metric, "value": value, "low": low, "high": high}
            for each in self.events
            for metric, (value, low, high) in each.values.items()
        )

    def __str__(self) -> str:
        from harness.report.reproduction import print_history

        return printed(
            lambda console: print_history(self.recipe, list(self.events), list(self.steps), console)
        )


def _texts(side: Contender) -> dict[str, str]:
    """Return the text of every prompt by its id, where the benchmark is known here."""
    judgement = judgement_of(side.result)
    return {prompt.id: prompt.text for prompt in judgement.prompts} if judgement else {}

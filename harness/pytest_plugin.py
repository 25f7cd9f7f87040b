"""A pytest fixture that holds a LoRA to a baseline, in anyone's tests.

    def test_lora(lora_gate):
        lora_gate("my-lora").no_worse_than("baseline")

The recipe is run as the baseline was judged; what is in the store already is not made again. Where
things lie is said in pytest's own settings: `harness_store`, `harness_reports`, `harness_device`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

import harness

if TYPE_CHECKING:
    from harness import GateDecision, Workspace

SETTINGS = {
    "harness_store": ("where artifacts are kept", ".harness/store"),
    "harness_reports": ("where result files and baselines lie", "reports"),
    "harness_device": ("auto, cpu or cuda", "auto"),
}


class Advice(UserWarning):
    """A gate that cannot be more than advice yet, and why."""


@dataclass(frozen=True)
class Candidate:
    """A recipe or result that is to be held to something."""

    name: str
    workspace: Workspace

    def no_worse_than(
        self,
        baseline: str | Path,
        policy: Path | None = None,
        replicates: int = 1,
        unsure: Literal["fail", "skip"] = "fail",
        allow_missing: Sequence[str] = (),
    ) -> GateDecision:
        """Fail the test where a metric is surely worse, or where the evidence is too thin to tell.

        `baseline` is a file, or the name of a baseline that was accepted below the reports.
        `allow_missing` names metrics that the baseline has and the candidate may lack; any other
        that is missing fails, whatever `unsure` says.
        """
        decision = harness.gate(
            self.name,
            baseline=baseline,
            policy=policy,
            allow_missing=allow_missing,
            replicates=replicates,
            workspace=self.workspace,
        )
        for reason in decision.gate.advisory:
            warnings.warn(Advice(reason), stacklevel=2)
        lacks = any(check.kind == "missing" for check in decision.gate.checks)
        if decision.gate.verdict == "under-powered" and unsure == "skip" and not lacks:
            pytest.skip(str(decision))
        if decision.gate.verdict != "pass":
            pytest.fail(str(decision), pytrace=False)
        return decision


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, (words, default) in SETTINGS.items():
        parser.addini(name, f"harness: {words}", default=default)


@pytest.fixture
def lora_gate(request: pytest.FixtureRequest) -> Callable[[str], Candidate]:
    """Hold a recipe, a checkpoint (NAME@STEP) or a result's file to a baseline."""
    from harness import Workspace

    store, reports, device = (str(request.config.getini(name)) for name in SETTINGS)
    root = request.config.rootpath
    workspace = Workspace(root / store, root / reports, device, quiet=True)
    return lambda name: Candidate(name, workspace)

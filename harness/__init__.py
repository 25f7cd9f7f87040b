"""Know whether a style LoRA is any good: recipes in; results with honest intervals out.

    import harness

    harness.run("pocket-ninja")                     # train, draw, score: one result
    harness.compare("pocket-ninja", "pocket-base")  # better, worse, or not enough evidence
    harness.leaderboard("pocket-v1")                # every result, ranked

Every function takes `store=`, `reports=`, `device=`, `executor=` and `quiet=`, with the defaults of
the command line. What it returns shows itself in a notebook. Importing `harness` loads nothing
else: each name below is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness import fingerprint

if TYPE_CHECKING:
    from harness.api.adapters import Inspection, inspect
    from harness.api.again import accept, calibrate, reproduce
    from harness.api.blame import BlameReport, blame
    from harness.api.boards import Leaderboard, leaderboard
    from harness.api.browse import load_benchmark, load_recipe, load_result
    from harness.api.configs import export_config, import_config
    from harness.api.data import curate, diff_data
    from harness.api.decide import compare, gate, history
    from harness.api.deliver import export, pull, push, write_reference
    from harness.api.folders import score_folder
    from harness.api.judge import sanity, score, sweep
    from harness.api.make import rehearse, run, run_all, train
    from harness.api.options import Workspace
    from harness.api.planning import Plan, check, plan, plan_all
    from harness.api.results import Run, Sweep
    from harness.api.series import SeriesReport, score_series
    from harness.api.upkeep import doctor, gc, schemas, verify, verify_all
    from harness.api.verdicts import Comparisons, GateDecision, History
    from harness.errors import HarnessError
    from harness.pages.benchmark import Benchmark
    from harness.pages.policy import Policy
    from harness.pages.recipe import Recipe
    from harness.records import Result, Score


__version__ = fingerprint.VERSION

_ROOMS = {
    "harness.api.adapters": "Inspection inspect",
    "harness.api.again": "accept calibrate reproduce",
    "harness.api.blame": "BlameReport blame",
    "harness.api.boards": "Leaderboard leaderboard",
    "harness.api.browse": "load_benchmark load_recipe load_result",
    "harness.api.configs": "export_config import_config",
    "harness.api.data": "curate diff_data",
    "harness.api.decide": "compare gate history",
    "harness.api.deliver": "export pull push write_reference",
    "harness.api.folders": "score_folder",
    "harness.api.judge": "sanity score sweep",
    "harness.api.make": "rehearse run run_all train",
    "harness.api.options": "Workspace",
    "harness.api.planning": "Plan check plan plan_all",
    "harness.api.results": "Run Sweep",
    "harness.api.series": "SeriesReport score_series",
    "harness.api.upkeep": "doctor gc schemas verify verify_all",
    "harness.api.verdicts": "Comparisons GateDecision History",
    "harness.errors": "HarnessError",
    "harness.pages.benchmark": "Benchmark",
    "harness.pages.policy": "Policy",
    "harness.pages.recipe": "Recipe",
    "harness.records": "Result Score",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "Benchmark",
    "BlameReport",
    "Comparisons",
    "GateDecision",
    "HarnessError",
    "History",
    "Inspection",
    "Leaderboard",
    "Plan",
    "Policy",
    "Recipe",
    "Result",
    "Run",
    "Score",
    "SeriesReport",
    "Sweep",
    "Workspace",
    "__version__",
    "accept",
    "blame",
    "calibrate",
    "check",
    "compare",
    "curate",
    "diff_data",
    "doctor",
    "export",
    "export_config",
    "gate",
    "gc",
    "history",
    "import_config",
    "inspect",
    "leaderboard",
    "load_benchmark",
    "load_recipe",
    "load_result",
    "plan",
    "plan_all",
    "pull",
    "push",
    "rehearse",
    "reproduce",
    "run",
    "run_all",
    "sanity",
    "schemas",
    "score",
    "score_folder",
    "score_series",
    "sweep",
    "train",
    "verify",
    "verify_all",
    "write_reference",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

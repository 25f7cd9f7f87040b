"""One run in full: its recipe, environment and times, and the command that repeats it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from harness import escaping
from harness.records import Result, StepName
from harness.views.pictures import WHOLE
from harness.views.reports_index import Entry, ReportsIndex

ENVIRONMENT = ("made", "harness", "python", "platform", "processor", "cores", "device")


@dataclass(frozen=True)
class Download:
    """A file of the run that the store still has."""

    label: str
    address: str
    megabytes: float


def command(result: Result) -> str:
    """Return the command that makes a result again from nothing."""
    name = "@".join(result.recipe.split(".step"))
    judged = ["-b", result.benchmark]
    if result.origin == "images supplied":
        made = ["--images", "DIR", "--prompts", "FILE"]
        return escaping.command("score", options=[*made, *judged, "--name", name])
    if result.origin == "adapter supplied":
        base = str((result.protocol.get("base") or ["BASE"])[0])
        made = ["--adapter", "FILE", "--base", base]
        return escaping.command("score", options=[*made, *judged, "--name", name])
    seeds = str(len(result.training_seeds))
    many = ["--replicates", seeds] if result.interval == "recipe" else []
    return escaping.command("run", name, options=[*judged, *many])


def page(result: Result) -> str:
    """Return the resolved recipe as YAML, defaults and all; empty where it was not kept."""
    written = result.provenance.get("page")
    return yaml(written) if written else ""


def yaml(value: Any) -> str:
    stream = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 100
    writer.dump(_plain(value), stream)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def environment(result: Result) -> dict[str, str]:
    """Return on what the scores were made, and with which libraries."""
    facts = result.provenance
    facts_shown = {name: str(facts[name]) for name in ENVIRONMENT if facts.get(name) is not None}
    return facts_shown | {name: str(each) for name, each in (facts.get("packages") or {}).items()}


def times(result: Result) -> list[dict[str, Any]]:
    """Return how long each stage took, the longest first; features and sides are added up."""
    spent: dict[str, float] = {}
    for step, seconds in (result.provenance.get("seconds") or {}).items():
        name = StepName.parse(step)
        stage = "features" if name.extractor else name.role
        spent[stage] = spent.get(stage, 0.0) + float(seconds)
    ranked = sorted(spent.items(), key=lambda each: -each[1])
    return [{"stage": stage, "seconds": round(seconds, 2)} for stage, seconds in ranked]


def losses(result: Result) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss} for step, loss in result.provenance.get("loss") or []]


def efficiency(result: Result) -> dict[str, Any]:
    measured: dict[str, Any] = result.provenance.get("efficiency") or {}
    return {name: value for name, value in measured.items() if value is not None}


def downloads(index: ReportsIndex, entry: Entry) -> list[Download]:
    """Return the weights of a run, where the store has them."""
    result = entry.result
    keys = (
        {}
        if result is None
        else {
            name: key for name, key in result.keys.items() if StepName.parse(name).role == "train"
        }
    )
    files = []
    for name, key in keys.items():
        folder = index.store.find(key)
        for file in sorted(folder.glob("*.safetensors")) if folder else []:
            size = round(file.stat().st_size / 1e6, 2)
            files.append(Download(f"{name}: {file.name}", f"{WHOLE}/{key}/{file.name}", size))
    return files

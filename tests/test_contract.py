"""What users hold on to: keys of steps, shapes of documents, exit codes, digests of a small run.

`PYTHONPATH=.:tests/support python tests/test_contract.py` writes the golden file again; read what
changed before committing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from running import FIXTURES, House, harness

GOLDEN = Path(__file__).parent / "golden" / "contract.json"
ROOT = Path(__file__).parents[1]
REPEATABLE = ("data", "texts", "reference")
"""Steps whose files are the same on every processor; what torch computes may differ in a bit."""


def shape(value: Any) -> Any:
    """Return the types of a document: an object's keys, and one shape for all of a list."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in sorted(value.items())}
    if isinstance(value, list):
        kinds = {json.dumps(shape(part), sort_keys=True) for part in value}
        return [json.loads(kind) for kind in sorted(kinds)]
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else (type(value).__name__)
    )


def keys() -> dict[str, Any]:
    """Return the key of every step of every shipped recipe under its default benchmark."""
    found = {}
    for file in sorted((ROOT / "recipes").glob("*.yaml")):
        ran = harness("plan", file.stem, "--json", "--anyway", cwd=ROOT)
        assert ran.code == 0, ran.err
        found[file.stem] = {
            "benchmark": ran.json["benchmark"],
            "steps": sorted(f"{step['stage']} {step['key']}" for step in ran.json["steps"]),
        }
    return found


def commands(house: House, scratch: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield each command by a name of its own, in an order in which one may read another's."""
    place = ("--store", house.store, "--reports", house.reports, "--json")
    result = house.reports / "tiny-v1" / "tiny.json"
    base = house.reports / "tiny-v1" / "pocket-base.json"
    baseline = house.reports / "baselines" / "tiny-v1" / "tiny.json"
    yield "list", ("list", "--json")
    yield "list nonsense", ("list", "nonsense")
    yield "check", ("check", FIXTURES / "recipes" / "tiny.yaml", "--json")
    yield "check broken", ("check", _broken(scratch), "--json")
    yield "plan", ("plan", "tiny", "--benchmark", "tiny-v1", *place)
    yield "plan two", ("plan", "tiny", "pocket-base", "--benchmark", "tiny-v1", *place)
    yield "plan card", ("plan", "naruto-1024", "--card", "t4", *place)
    yield "plan unknown", ("plan", "no-such-recipe")
    yield "run", ("run", "tiny", "--benchmark", "tiny-v1", *place)
    yield "run checkpoint unknown", ("run", "tiny@3", "--benchmark", "tiny-v1", *place)
    yield "leaderboard", ("leaderboard", *place)
    yield "leaderboard empty", ("leaderboard", "--reports", scratch / "nothing", "--json")
    yield "report", ("report", result, *place)
    yield "compare", ("compare", result, base, "--draws", "0", *place)
    yield "compare one", ("compare", result, *place)
    yield "gate without baseline", ("gate", result, *place)
    yield "gate accept", ("gate", result, "--accept", *place)
    yield "gate", ("gate", result, "--baseline", baseline, *place)
    yield "gate worse", ("gate", base, "--baseline", baseline, *place)
    yield "history", ("history", "tiny", "--benchmark", "tiny-v1", *place)
    yield "sanity", ("sanity", "--benchmark", "tiny-v1", *place)
    yield "sweep", ("sweep", "tiny", "--at", "0,1", "--benchmark", "tiny-v1", *place)
    yield "reference", ("reference", scratch / "ref", "--benchmark", "tiny-v1", *place)
    yield "export", ("export", result, scratch / "out", "--to", "kohya", *place)
    yield "inspect", ("inspect", scratch / "out" / "tiny.safetensors", "--json")
    yield "inspect nothing", ("inspect", scratch / "nothing.safetensors")
    yield "export nonsense", ("export", result, scratch / "out", "--to", "nonsense", *place)
    yield "diff-data", ("diff-data", "tiny", "pocket-ninja", "--store", house.store, "--json")
    yield "curate", ("curate", "tiny", "--out", scratch / "set", "--json")
    yield "verify", ("verify", result, *place)
    yield "doctor", ("doctor", "--store", house.store, "--json")
    yield "gc", ("gc", "--dry-run", *place)
    yield "schema", ("schema", "--out", scratch / "schemas", "--json")
    yield "store push", ("store", "push", scratch / "mirror", *place)
    yield (
        "store pull",
        (
            "store",
            "pull",
            scratch / "mirror",
            "--store",
            scratch / "store",
            "--reports",
            scratch / "reports",
            "--json",
        ),
    )
    yield "score nothing", ("score", "--name", "mine")
    yield "dashboard export", ("dashboard", "--export", scratch / "site", *place)
    yield "no such command", ("nonsense",)


def _broken(scratch: Path) -> Path:
    file = scratch / "broken.yaml"
    file.write_text("schema_version: 1\nname: broken\ntrain: {rnak: 4}\n")
    return file


def contract(house: House, scratch: Path) -> dict[str, Any]:
    """Return all that users hold on to, as it is now."""
    documents, codes = {}, {}
    for name, words in commands(house, scratch):
        ran = harness(*words)
        codes[name] = ran.code
        if "--json" in words and ran.out.strip():
            documents[name] = shape(ran.json)
    result = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())
    return {
        "keys": keys(),
        "entry points": {
            group: sorted(point.name for point in entry_points(group=f"harness.{group}"))
            for group in ("sources", "optimizers", "extractors", "metrics", "executors")
        },
        "exit codes": codes,
        "documents": {**documents, "result file": shape(result)},
        "digests": digests(house.store, result["keys"]),
    }


def digests(store: Path, steps: dict[str, str], every: bool = False) -> dict[str, dict[str, str]]:
    """Return the digests of the files of a run's steps."""
    found = {}
    for name, key in steps.items():
        if every or name in REPEATABLE:
            stage = next(store.glob(f"*/{key[:2]}/{key}/manifest.json"))
            found[name] = json.loads(stage.read_text())["files"]
    return found


@pytest.mark.slow
def test_users_keep_what_they_hold_on_to(house: House, tmp_path: Path) -> None:
    golden, now = json.loads(GOLDEN.read_text()), contract(house, tmp_path)
    assert len(golden["keys"]) > 10
    for part, expected in golden.items():
        if part == "entry points":
            assert all(set(names) <= set(now[part][group]) for group, names in expected.items())
            continue
        for name, value in expected.items():
            assert keeps(now[part].get(name), value), f"{part}: {name}: {now[part].get(name)}"


def keeps(now: Any, golden: Any) -> bool:
    """Return whether a shape has all that the golden one has; fields may be added."""
    if isinstance(golden, dict):
        return isinstance(now, dict) and all(
            name in now and keeps(now[name], part) for name, part in golden.items()
        )
    if isinstance(golden, list):
        return isinstance(now, list) and all(any(keeps(n, g) for n in now) for g in golden)
    return bool(now == golden)


def main() -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        store, reports = root / "store", root / "reports"
        ran = harness(
            "run",
            "tiny",
            "pocket-base",
            "--benchmark",
            "tiny-v1",
            "--store",
            store,
            "--reports",
            reports,
            "--json",
        )
        assert ran.code == 0, ran.err
        (root / "scratch").mkdir()
        found = contract(House(store, reports, ran), root / "scratch")
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        if len(sys.argv) > 1:
            result = json.loads((reports / "tiny-v1" / "tiny.json").read_text())
            every = digests(store, result["keys"], every=True)
            Path(sys.argv[1]).write_text(json.dumps(every, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

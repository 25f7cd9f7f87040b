"""The folders in which pages run: what lies there before their first block."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from running import FIXTURES, ROOT, House, harness

from harness.pipeline.results.read import read_result
from harness.pipeline.stages.files import read_index
from harness.pipeline.store.local import Store

SISTERS = ("pocket-ninja", "pocket-ninja-short", "pocket-ninja-overfit", "pocket-ninja-broken")
STAND_IN = ("pocket", "finished")
"""Setups in which small pages stand in for those of the pocket world."""
PROMPTS = {
    "pocket-tags": "1girl, solo, blonde hair, smile, day",
    "pocket-sentences": "a girl with pink hair in a forest",
    "pocket-ood": "a castle",
}


def demo() -> Path | None:
    """Return the folder in which `make demo` has run, if HARNESS_DEMO names one."""
    given = os.environ.get("HARNESS_DEMO")
    return Path(given).resolve() if given else None


def prepare(setup: str, folder: Path, house: House) -> None:
    """Put into a page's folder what each word of its setup names."""
    for word in setup.split():
        SETUPS[word](folder, house)


def _shipped(folder: Path, house: House) -> None:
    shutil.copytree(ROOT / "reports", folder / "reports", dirs_exist_ok=True)


def _pocket(folder: Path, house: House) -> None:
    real = demo()
    if real:
        shutil.copytree(real / ".harness" / "store", folder / ".harness" / "store")
        return
    shutil.copytree(house.store, folder / ".harness" / "store")
    shutil.copytree(FIXTURES / "prompts", folder / "prompts")
    (folder / "recipes").mkdir()
    recipe = (FIXTURES / "recipes" / "tiny.yaml").read_text()
    for name in SISTERS:
        page = recipe.replace("name: tiny", f"name: {name}")
        (folder / "recipes" / f"{name}.yaml").write_text(page)
    benchmark = folder / "prompts" / "benchmarks" / "tiny-v1.yaml"
    text = benchmark.read_text().replace("name: tiny-v1", "name: pocket-v1")
    benchmark.with_name("pocket-v1.yaml").write_text(text)
    for name, prompt in PROMPTS.items():
        suite = f'schema_version: 1\nname: {name}\nversion: 1\nsummary: "One prompt."\nprompts:\n'
        file = folder / "prompts" / "suites" / f"{name}.yaml"
        file.write_text(f'{suite}  - {{id: {name}-1, text: "{prompt}"}}\n')


def _finished(folder: Path, house: House) -> None:
    _pocket(folder, house)
    real = demo()
    if real:
        shutil.copytree(real / ".harness" / "reports", folder / "reports")
        return
    ran = harness("run", *SISTERS, "pocket-base", "--benchmark", "pocket-v1", cwd=folder)
    assert ran.code == 0, ran.err


def _pictures(folder: Path, house: House) -> None:
    result = read_result(house.reports / "tiny-v1" / "tiny.json")
    samples, real = (Store(house.store).find(result.keys[s]) for s in ("sample", "reference"))
    assert samples is not None
    assert real is not None
    shutil.copytree(real / "images", folder / "real")
    (folder / "renders").mkdir()
    rows = []
    for entry in read_index(samples):
        name = f"{entry.id}-{entry.seed}.png"
        shutil.copy(samples / str(entry.file), folder / "renders" / name)
        rows.append([name, entry.text, entry.seed])
    with (folder / "prompts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "prompt", "seed"], *rows])


SETUPS: dict[str, Callable[[Path, House], None]] = {
    "shipped": _shipped,
    "pocket": _pocket,
    "finished": _finished,
    "pictures": _pictures,
}

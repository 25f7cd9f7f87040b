"""Make the pool that the coverage of intervals is measured on: `python performance/pool.py`.

A thousand prompts of the pocket world, each drawn with three seeds by `pocket-ninja`, seen by the
three pocket networks that the headline metrics read. What is kept is what the metrics need, in
half precision, so that the measurement itself takes seconds (`tests/metrics/test_coverage.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import harness
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement, Prompt, PromptSuite
from harness.pipeline.plan import plan
from harness.pipeline.run import execute
from harness.pocket.world import row

POOL = Path(__file__).parents[1] / "tests" / "golden" / "pool.npz"
PROMPTS, FIRST = 1000, 700_000
METRICS = ("kid", "clip-score", "aesthetic")


def judgement() -> Judgement:
    """Return pocket-v1 on a thousand prompts, with the three metrics and nothing beside them."""
    whole = benchmarks.load("pocket-v1").benchmark
    prompts = tuple(
        Prompt(id=f"c{number:04d}", text=", ".join(row("faces", FIRST + number).tags))
        for number in range(PROMPTS)
    )
    chosen = tuple(metric for metric in whole.metrics if metric.column in METRICS)
    bare = whole.model_copy(
        update={"metrics": chosen, "base": False, "leakage": None, "originals": None}
    )
    return Judgement(bare, (PromptSuite(name="c", version=1, summary="-", prompts=prompts),))


def main(root: Path) -> None:
    workspace = harness.Workspace(root / "store", root / "reports")
    whole = plan(recipes.load("pocket-ninja"), judgement())
    execute(whole, workspace.settings())
    store = workspace.settings().store
    seen = {
        step.name: load_file(store.folder(step) / "features.safetensors")
        for step in whole.steps
        if step.stage == "features"
    }
    own = {
        name.split("/")[1].split("-")[0]: rows
        for name, rows in seen.items()
        if name.startswith("features/")
    }
    reference = next(rows for name, rows in seen.items() if name.startswith("reference/"))
    POOL.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        POOL,
        kid=own["classifier"]["images"].astype(np.float16),
        reference=reference["images"].astype(np.float16),
        cosine=(own["open"]["images"] * own["open"]["texts"]).sum(1).astype(np.float32),
        aesthetic=own["label"]["images"][:, 0],
    )
    print(f"wrote {POOL}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

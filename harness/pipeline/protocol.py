"""What two results must share to be ranked together; a signature is its digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.fingerprint import digest
from harness.keys import described
from harness.pages.benchmark import Asked, Judgement, PromptSuite
from harness.pages.recipe import Base
from harness.pipeline.stages import STAGES
from harness.pocket import pinned


def signature_of(protocol: dict[str, Any]) -> str:
    return digest(protocol)[:16]


def protocol_of(judgement: Judgement, base: Base) -> dict[str, Any]:
    """Return everything two rows must share to be ranked together.

    The style of prompts stands there only where it is not the plain one of old signatures.
    """
    benchmark = judgement.benchmark
    plain = benchmark.sampler.prompt_style == "plain"
    return {
        "benchmark": benchmark.name,
        "suites": _contents(judgement.suites),
        "seeds": list(benchmark.seeds),
        "n": judgement.images,
        "sampler": benchmark.sampler.model_dump(
            mode="json", exclude={"prompt_style"} if plain else None
        ),
        "base": [base.model, base.revision, *pinned(base.model).values()],
        "vae": benchmark.sampler.vae or base.vae,
        "metrics": [described(metric) for metric in benchmark.metrics],
        "reference": described(benchmark.reference) if benchmark.reference else None,
        "originals": described(benchmark.originals) if benchmark.originals else None,
        "leakage": _asked(benchmark.leakage, judgement.leakage),
        "extraction": _asked(benchmark.extraction, judgement.extraction),
        "extractors": [described(extractor) for extractor in judgement.extractors()],
        "stages": {name: STAGES[name].version for name in ("data", "sample", "features", "score")},
    }


def _contents(suites: Sequence[PromptSuite]) -> dict[str, list[Any]]:
    return {suite.name: [suite.version, digest(described(suite.prompts))[:16]] for suite in suites}


def _asked(asked: Asked | None, suites: Sequence[PromptSuite]) -> dict[str, Any] | None:
    return {"suites": _contents(suites), "seeds": list(asked.seeds)} if asked else None

"""What two results must share to be ranked together; a signature is its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.fingerprint import digest
from harness.keys import described
from harness.pages.benchmark import Asked, Judgement, PromptSuite, Sampler
from harness.pages.recipe import Base
from harness.pipeline.stages import STAGES
from harness.pocket import pinned

PARTS = {
    "benchmark": "its name",
    "suites": "of each suite, its version and the digest of its prompts",
    "seeds": "the seeds of every prompt",
    "n": "how many images are asked for",
    "sampler": "scheduler, steps, guidance, size, negative prompt, precision and options",
    "base": "the base model, its revision, and the digest of weights that ship",
    "vae": "another VAE, and its revision",
    "metrics": "each metric with its options and its version",
    "extractors": "each extractor with its options, its version and the digest of its weights",
    "reference": "the source of real pictures, and how they are prepared",
    "originals": "the source of training pictures that copies are sought in",
    "decoys": "pictures in other styles; only where a metric reads them",
    "leakage": "prompts without the style's words, and their seeds",
    "extraction": "training captions that are asked for, and their seeds",
    "stages": "versions of the stages that make and read images",
    "weights": "commits at which judges and the VAE were read from the hub, if any were",
}
"""What a protocol holds, part by part."""


def signature_of(protocol: dict[str, Any]) -> str:
    return digest(protocol)[:16]


def protocol_of(judgement: Judgement, base: Base) -> dict[str, Any]:
    """Return everything two rows must share to be ranked together."""
    benchmark = judgement.benchmark
    asked = any("decoys" in metric.reads for metric in benchmark.metrics)
    decoys = [STAGES["decoys"].version, described(benchmark.decoys)]
    return ({"decoys": decoys} if asked else {}) | {
        "benchmark": benchmark.name,
        "suites": _contents(judgement.suites),
        "seeds": list(benchmark.seeds),
        "n": judgement.images,
        "sampler": _sampler(benchmark.sampler),
        "base": [base.model, base.revision, *pinned(base.model).values()],
        "vae": (benchmark.sampler and benchmark.sampler.vae) or _vae(base),
        "metrics": [described(metric) for metric in benchmark.metrics],
        "reference": described(benchmark.reference) if benchmark.reference else None,
        "originals": described(benchmark.originals) if benchmark.originals else None,
        "leakage": _asked(benchmark.leakage, judgement.leakage),
        "extraction": _asked(benchmark.extraction, judgement.extraction),
        "extractors": [described(extractor) for extractor in judgement.extractors()],
        "stages": {name: STAGES[name].version for name in ("data", "sample", "features", "score")},
    }


def _sampler(sampler: Sampler | None) -> dict[str, Any] | None:
    """Return how images are drawn.

    The style of prompts and the VAE's revision stand there only where they are not as in old
    signatures.
    """
    if sampler is None:
        return None
    added = ("prompt_style", "vae_revision", "options")
    defaults = {name: Sampler.model_fields[name].default for name in added}
    as_before = {name for name in added if getattr(sampler, name) == defaults[name]}
    return sampler.model_dump(mode="json", exclude=as_before)


def _vae(base: Base) -> str | list[str] | None:
    return [base.vae, base.vae_revision] if base.vae and base.vae_revision else base.vae


def with_weights(protocol: dict[str, Any], weights: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a protocol that names the commits at which judges and VAE were read, if any were.

    A commit is known only after the run, and a page that names none may mean another tomorrow.
    """
    return protocol | ({"weights": weights} if weights else {})


def _contents(suites: Sequence[PromptSuite]) -> dict[str, list[Any]]:
    return {suite.name: [suite.version, digest(described(suite.prompts))[:16]] for suite in suites}


def _asked(asked: Asked | None, suites: Sequence[PromptSuite]) -> dict[str, Any] | None:
    return {"suites": _contents(suites), "seeds": list(asked.seeds)} if asked else None

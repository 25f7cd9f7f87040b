"""The model card of an exported adapter: README.md, for people and for the hub."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.delivery.export.trained_adapter import TrainedAdapter
from harness.diffusion.prediction import scheduler_changes
from harness.escaping import in_code, in_markdown
from harness.pages.train import Adapter, Phase
from harness.report.numbers import cell

MARK = "<!-- Written by harness export. -->"
"""Tells our own README from one that must not be overwritten."""
_TAGS = (
    "text-to-image",
    "lora",
    "diffusers",
    "template:sd-lora",
    "stable-diffusion-xl",
    "stable-diffusion-xl-diffusers",
    "harness",
)


def card(trained: TrainedAdapter, form: str, files: tuple[str, ...], place: str) -> str:
    """Return the model card; `place` is where `load_lora_weights` will find the weights."""
    train, adapter = trained.spec.train, trained.spec.train.adapter
    assert adapter is not None
    environment = Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": in_markdown, "code": in_code}
    return environment.get_template("model_card.md.j2").render(
        mark=MARK,
        trained=trained,
        result=trained.result,
        revision=trained.spec.base.revision,
        tags=_TAGS,
        figures=figures(trained),
        cell=cell,
        form=form,
        in_diffusers=form == "diffusers" or loads_in_diffusers(adapter),
        weights=files[0],
        scheduler_changes=scheduler_changes(train.prediction, train.zero_terminal_snr),
        tokens=_tokens(trained) if "embeddings.safetensors" in files else [],
        place=place,
    )


def loads_in_diffusers(adapter: Adapter) -> bool:
    """Return whether diffusers loads the form of user interfaces as it was trained."""
    return adapter.use == "lora" and not (adapter.dora or adapter.ranks)


def figures(trained: TrainedAdapter) -> dict[str, str]:
    """Return the recipe's figures, each under its word."""
    train = trained.spec.train
    adapter = train.adapter
    assert adapter is not None
    kinds = [word for word, is_so in (("DoRA", adapter.dora), ("rsLoRA", adapter.rslora)) if is_so]
    kinds += [adapter.use] if adapter.use != "lora" else []
    sets = [f"{each.name} ({each.images:,} pictures)" for each in trained.sets]
    facts = {
        "base": trained.base,
        "data": ", ".join(sets),
        "rank": ", ".join([f"{adapter.rank}", *(f"{p}: {r}" for p, r in adapter.ranks.items())]),
        "alpha": f"{adapter.effective_alpha:g}",
        "layers": ", ".join([adapter.targets, *kinds]),
        "text encoders": "trained" if any(p.text_encoder_rates for p in train.phases) else "",
        "tokens": ", ".join(token.name for token in train.tokens),
        "resolution": f"{train.resolution} px" + (", in buckets" if train.buckets else ""),
        "batch": f"{train.effective_batch} pictures a step",
        "optimizer": train.optimizer.use,
        "phases": "; ".join(_phase(phase) for phase in train.phases),
        "kept after": f"{trained.step:,} of {train.steps:,} optimizer steps",
        "precision": train.precision,
        "min-SNR γ": f"{train.snr_gamma:g}" if train.snr_gamma else "",
        "noise offset": f"{train.noise_offset:g}" if train.noise_offset else "",
        "prior preservation": f"{train.prior.images} images" if train.prior else "",
        "seed": str(train.seed),
    }
    return {name: value for name, value in facts.items() if value}


def _phase(phase: Phase) -> str:
    warmup = f", {phase.warmup} of warm-up" if phase.warmup else ""
    return f"{phase.steps:,} steps at {phase.rate:g}, {phase.schedule}{warmup}"


def _tokens(trained: TrainedAdapter) -> list[tuple[str, int, int]]:
    """Return each new token and which rows of the embeddings are its own."""
    tokens, first = [], 0
    for token in trained.spec.train.tokens:
        tokens.append((token.name, first, first + token.vectors))
        first += token.vectors
    return tokens

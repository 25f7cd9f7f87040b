"""What a page may not say at once, settled in favour of what trains the same."""

from __future__ import annotations

from harness.pages.foreign.figures import Draft, Figure


def settle(draft: Draft) -> None:
    """Remove or correct every field that contradicts another, and say so at its figure."""
    _settle_words(draft)
    _settle_losses(draft)
    _settle_optimizer(draft)
    _settle_full(draft)
    phase = draft.page["train"]["phases"][0]
    if phase["schedule"] == "constant" and not phase.get("warmup"):  # nothing to stretch
        draft.forget("train.lr_schedule_unit")
    resolution = draft.get("train.resolution")
    if draft.get("train.previews") and draft.get("train.checkpoint_every") is None:
        draft.take_back("train.previews", "previews are drawn at checkpoints, and it keeps none")
    if draft.get("train.buckets") == {} and resolution:
        draft.page["train"].pop("buckets")


def _settle_words(draft: Draft) -> None:
    caption = draft.page.get("data", {}).get("caption", {})
    if caption.get("words") == "none":
        for name in ("shuffle", "tag_dropout"):
            if name in caption:
                draft.take_back(f"data.caption.{name}", "captions have no words of the pictures")
    if caption.get("keep_first") and not (caption.get("shuffle") or caption.get("tag_dropout")):
        note = "nothing is shuffled or dropped, so every tag stays in place"
        draft.take_back("data.caption.keep_first", note)
    if caption == {}:
        draft.page.get("data", {}).pop("caption", None)


def _settle_losses(draft: Draft) -> None:
    if draft.get("train.debiased") and draft.get("train.snr_gamma") is not None:
        note = "min-SNR already weighs the loss: one of the two"
        draft.take_back("train.debiased", note)
    if draft.get("train.zero_terminal_snr") and draft.get("train.prediction") != "v_prediction":
        note = "it needs v-prediction, because epsilon says nothing at pure noise"
        draft.take_back("train.zero_terminal_snr", note)


def _settle_optimizer(draft: Draft) -> None:
    phase, word = draft.page["train"]["phases"][0], draft.get("train.optimizer.use")
    if word == "schedule-free":
        if phase["schedule"] != "constant":
            phase["schedule"] = "constant"
            for name in ("cycles", "power", "floor"):
                phase.pop(name, None)
            note = "schedule-free averages its weights and needs no falling rate"
            _renote(draft, "train.phases[].schedule", "constant", note)
        if draft.get("train.ema") is not None:
            draft.take_back("train.ema", "schedule-free averages the weights itself")
    rates = phase.get("text_encoder_rates")
    if word == "prodigy" and rates and any(rate != phase["rate"] for rate in rates):
        phase["text_encoder_rates"] = [phase["rate"]] * 2
        note = f"prodigy has one step size for all: {phase['rate']:g}, as the UNet"
        _renote(draft, "train.phases[].text_encoder_rates", phase["rate"], note)


def _settle_full(draft: Draft) -> None:
    if draft.get("train.method") == "full":
        draft.page["train"].pop("adapter", None)
    if draft.get("train.adapter_dtype") == "bfloat16" and draft.get("train.precision") != "bf16":
        draft.take_back("train.adapter_dtype", "it goes with precision bf16")


def _renote(draft: Draft, place: str, value: object, note: str) -> None:
    """Replace the fates of a field that stands in a list."""
    for at, fate in enumerate(draft.fates):
        if fate.field == place:
            draft.fates.pop(at)
            figure = Figure(fate.figure, fate.given)
            draft.note(figure, place, value, note)
            draft.fates.insert(at, draft.fates.pop())

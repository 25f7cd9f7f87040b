"""Plans and results as a person reads them in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.escaping import one_line
from harness.pipeline.forecast import Forecast, Planned
from harness.records import Result
from harness.report.numbers import cell, duration
from harness.report.probe import probe_lines
from harness.training.schedules import rates

if TYPE_CHECKING:
    from harness.pipeline.run import Outcome


def plan_text(planned: Planned) -> str:
    """Return a plan as a person reads it."""
    lines = [f"{planned.plan.recipe} × {planned.plan.judgement.benchmark.name}"]
    lines += [f"  {state:<8} {name:<32} {key[:12]}" for name, state, key in states(planned)]
    for name, sets in planned.plan.data().items():
        shown = ", ".join(f"{each['use']} {each['name']} @ {each['version']}" for each in sets)
        lines.append(f"  {name:<8} {shown}")
    if planned.recipe.train is not None:
        shown = "  ".join(f"{mark} {rate:.3g}" for mark, _, rate in rates(planned.recipe.train))
        lines.append(f"  rate     {shown}")
    if planned.checkpoints:
        lines.append(f"  to do    {len(planned.checkpoints)} steps that judge each checkpoint")
    cost = planned.forecast
    lines.append(
        f"  to do    {cost.optimizer_steps:,} optimizer steps, {cost.images:,} images, "
        f"about {duration(cost.seconds)}, {cost.disk_gb:g} GB disk"
    )
    verdict = "" if cost.fits else ", does not fit"
    lines.append(
        f"  {cost.card:<8} {cost.memory_gb:g} of {cost.card_gb:g} GB{verdict}{_pace(cost)}"
    )
    lines.append(f"           ({cost.basis})")
    lines += [f"  warning  {each}" for each in planned.cautions]
    return "\n".join(lines)


def states(planned: Planned) -> list[tuple[str, str, str]]:
    """Return the name of every step, whether it is done, to do or unneeded, and its key."""
    to_do = {step.key for step in planned.to_do}
    return [
        (
            str(step.name),
            "done" if step.key in planned.done else "to do" if step.key in to_do else "unneeded",
            step.key,
        )
        for step in planned.plan.steps
    ]


def _pace(cost: Forecast) -> str:
    if cost.step_seconds is None:
        return ""
    samples = f"{cost.samples_per_pass} sample" + "s" * (cost.samples_per_pass != 1)
    return f", {samples} a pass, {cost.step_seconds:.3g} s an optimizer step"


def outcome_text(outcome: Outcome) -> str:
    """Return one run's result as a person reads it."""
    made = f"  made {len(outcome.made)} steps, reused {len(outcome.reused)}; {outcome.path}"
    return f"{result_text(outcome.result)}\n{made}"


def result_text(result: Result) -> str:
    """Return one result as a person reads it."""
    images = result.images
    lines = [one_line(f"{result.recipe} × {result.benchmark} (signature {result.signature})")]
    names = [one_line(score.metric) for score in result.scores]
    width = max(map(len, names), default=0)
    for name, score in zip(names, result.scores, strict=True):
        better = "↑" if score.higher_is_better else "↓"
        lines.append(f"  {name:<{width}} {better}  {one_line(cell(score))}  n={score.n}")
        if score.flag is not None:
            lines.append(f"  {'':<{width}}    ⚑ {one_line(score.flag)}")
        if score.value is not None and not score.may_judge:
            lines.append(f"  {'':<{width}}    ⊘ may not judge here: {one_line(str(score.licence))}")
    lines.append(
        f"  images: {images.expected} expected, {images.generated} there, {images.failed} failed, "
        f"{images.black} black, {images.scored} scored"
    )
    if images.kinds:
        kinds = ", ".join(f"{count} {one_line(kind)}" for kind, count in images.kinds.items())
        lines.append(f"  converted as training pictures are: {kinds}")
    if result.probe is not None:
        lines += [f"  {line}" for line in probe_lines(result.probe)]
    lines += [f"    {one_line(name)}" for name in images.named[:20]]
    if len(images.named) > 20:
        lines.append(f"    … and {len(images.named) - 20} more, in the result file")
    return "\n".join(lines)

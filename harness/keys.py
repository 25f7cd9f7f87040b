"""What goes into the key of a step, and into names that tell specs apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, Page, SourceSpec, Spec
from harness.records import StageName, Step, StepName


def make_step(
    name: StepName | str,
    stage: StageName,
    version: int,
    spec: Page,
    inputs: Mapping[str, str] | None = None,
    subject: str = "",
) -> Step:
    """Return the step with its key, which needs nothing to have run."""
    inputs = dict(inputs or {})
    key = digest([stage, version, described(spec), inputs])
    title = StepName.parse(name) if isinstance(name, str) else name
    return Step(title, stage, version, spec, inputs, key, subject)


def described(value: Any) -> Any:
    """Return a spec as plain values without its defaults, so a new option changes no old key."""
    if isinstance(value, Spec):
        fields = type(value).model_fields
        return {
            name: described(getattr(value, name)) if name in fields else part
            for name, part in value.fingerprint().items()
            if name == "use" or name not in fields or getattr(value, name) != fields[name].default
        }
    if isinstance(value, Page):
        return {
            name: described(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if name not in value.outside_key and getattr(value, name) != field.default
        }
    if isinstance(value, dict):
        return {str(name): described(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [described(part) for part in value]
    return value


def extractor_name(extractor: ExtractorSpec) -> str:
    """Return a short name that tells the extractors of one benchmark apart."""
    return f"{extractor.use}-{digest(described(extractor))[:8]}"


def version_of(source: SourceSpec) -> str:
    """Return the version of a data set: a digest of its content, or of its name and revision."""
    return digest(described(source))[:16]

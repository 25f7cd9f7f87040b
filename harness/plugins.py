"""Find plugins by entry point: ours and other people's are found in the same way.

Importing this module, or a module of pages, loads no plugin. A page names a plugin by its word
(`use:`), and only then the one spec behind that word is loaded. So a plugin that cannot be loaded
is an error of the page that names it, and of no other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema, to_json

from harness.errors import MissingPrerequisite
from harness.interfaces import ExtractorSpec, MetricSpec, OptimizerSpec, SourceSpec, Spec

GROUPS = ("sources", "optimizers", "extractors", "metrics", "executors")
UNKNOWN, UNNAMED, BROKEN = "plugin_unknown", "plugin_unnamed", "plugin_broken"
"""The types under which pydantic reports a field that names no plugin that can be used."""


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that is registered and cannot be loaded."""

    word: str
    package: str
    """The name and version of the package that registers it."""
    reason: str

    @property
    def title(self) -> str:
        return f"the plugin {self.word!r} of the package {self.package}"

    @property
    def message(self) -> str:
        return f"{self.title} is broken: {self.reason}"

    @property
    def hint(self) -> str:
        return f"repair or uninstall {self.package.split()[0]}"


def words(group: str) -> tuple[str, ...]:
    """Return the word of every plugin of `group`, broken ones too, in order; load none."""
    return tuple(_registered(group))


def spec(group: str, word: str) -> type[Spec]:
    """Load and return the spec of one plugin."""
    if word not in words(group):
        raise MissingPrerequisite(
            f"there is no plugin {word!r} among the {group}",
            hint=f"known: {', '.join(words(group))}",
        )
    loaded = _load(group, word)
    if isinstance(loaded, BrokenPlugin):
        raise MissingPrerequisite(loaded.message, hint=loaded.hint)
    return loaded


def specs(group: str) -> dict[str, type[Spec]]:
    """Load and return the spec of every plugin of `group` that is not broken, by its word."""
    loaded = {word: _load(group, word) for word in words(group)}
    return {word: each for word, each in loaded.items() if not isinstance(each, BrokenPlugin)}


def broken(group: str) -> list[BrokenPlugin]:
    """Return every plugin of `group` that cannot be loaded."""
    loaded = (_load(group, word) for word in words(group))
    return [each for each in loaded if isinstance(each, BrokenPlugin)]


def implementation(spec: Spec) -> Any:
    """Import and return the code behind `spec`."""
    return code_at(spec.implementation)


def code_at(place: str) -> Any:
    """Import and return what stands at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


@cache
def _registered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of `group` by word; of two with one word, ours counts."""
    points = _all_points().get(f"harness.{group}", [])
    if not points:
        raise MissingPrerequisite(
            f"no {group} are registered", hint="install the package: pip install -e ."
        )
    return {point.name: point for point in points}


@cache
def _all_points() -> dict[str, list[EntryPoint]]:
    """Return the entry points of all groups, read once, ours behind those of other packages."""
    everything = entry_points()
    return {
        f"harness.{group}": sorted(
            everything.select(group=f"harness.{group}"),
            key=lambda point: (point.name, point.module.startswith("harness."), point.value),
        )
        for group in GROUPS
    }


@cache
def _load(group: str, word: str) -> type[Spec] | BrokenPlugin:
    point = _registered(group)[word]
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:  # other people's code may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return BrokenPlugin(word, _package(point), reason)
    if not (isinstance(loaded, type) and issubclass(loaded, Spec)):
        return BrokenPlugin(word, _package(point), f"{point.value} is not a Spec")
    return loaded


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "(unknown)"


@dataclass(frozen=True)
class Named:
    """Marks a field that names one plugin of a group by its word; see `Metric` and the others."""

    group: str

    def specs(self, data: Any) -> list[type[Spec]]:
        """Return the specs that may stand for `data`: the one that it names, or else all."""
        everything = specs(self.group)
        word = _word_of(data)
        if isinstance(word, str) and word in everything:
            return [everything[word]]
        return list(everything.values())

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Validate by the spec that the word names, in the strictness that the page asks for."""
        return core_schema.lax_or_strict_schema(
            core_schema.with_info_plain_validator_function(self._validator(strict=False)),
            core_schema.with_info_plain_validator_function(self._validator(strict=None)),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of a choice between all specs of the group that are not broken."""
        choices: dict[Any, core_schema.CoreSchema] = {
            word: each.__pydantic_core_schema__ for word, each in specs(self.group).items()
        }
        return handler(core_schema.tagged_union_schema(choices, discriminator="use"))

    def _validator(self, strict: bool | None) -> Callable[[Any, ValidationInfo], Spec]:
        def validate(value: Any, info: ValidationInfo) -> Spec:
            chosen = self._chosen(value)
            if info.mode == "json":
                return chosen.model_validate_json(to_json(value), strict=strict)
            return chosen.model_validate(value, strict=strict)

        return validate

    def _chosen(self, value: Any) -> type[Spec]:
        """Load the spec that `value` names, or say what is wrong with the name."""
        if not isinstance(value, dict | BaseModel):
            raise PydanticKnownError("model_attributes_type")
        word, known = _word_of(value), words(self.group)
        if word is None:
            text = "needs `use:` to say which one it means"
            raise PydanticCustomError(UNNAMED, text, {"known": known})
        if word not in known:
            context = {"word": word, "known": known}
            raise PydanticCustomError(UNKNOWN, "names no plugin: {word}", context)
        loaded = _load(self.group, word)
        if isinstance(loaded, BrokenPlugin):
            text = f"names {loaded.title}, which is broken: {loaded.reason}"
            context = {"text": text, "hint": loaded.hint}
            raise PydanticCustomError(BROKEN, "{text} ({hint})", context)
        return loaded


def _word_of(value: Any) -> Any:
    return value.get("use") if isinstance(value, dict) else getattr(value, "use", None)


Metric = Annotated[MetricSpec, Named("metrics")]
Extractor = Annotated[ExtractorSpec, Named("extractors")]
Optimizer = Annotated[OptimizerSpec, Named("optimizers")]
Source = Annotated[SourceSpec, Named("sources")]
"""The types of page fields that name one plugin."""


def union(group: str) -> Any:
    """Return the type of a page field that names one plugin of `group`, chosen at run time."""
    return Annotated[Spec, Named(group)]

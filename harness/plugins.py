"""Find plugins by entry point; ours and a stranger's come in by the same door."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, Union

from pydantic import Field

from harness.errors import MissingPrerequisite
from harness.interfaces import Spec

GROUPS = ("sources", "optimizers", "extractors", "metrics", "executors")


@cache
def specs(group: str) -> dict[str, type[Spec]]:
    """Return the specs of a group by their word; importing one loads no network library."""
    found = {}
    for point in sorted(entry_points(group=f"harness.{group}"), key=lambda point: point.name):
        try:
            spec = point.load()
        except Exception as error:  # a stranger's plugin must not take the house down
            raise MissingPrerequisite(
                f"the plugin {point.name} ({point.value}) cannot be loaded: {error}",
                hint="repair or uninstall the package that registers it",
            ) from error
        found[point.name] = spec
    if not found:
        raise MissingPrerequisite(
            f"no {group} are registered", hint="install the package: pip install -e ."
        )
    return found


def union(group: str) -> Any:
    """Return the type of a page field that names one plugin of `group`."""
    return Annotated[Union[tuple(specs(group).values())], Field(discriminator="use")]  # noqa: UP007


def implementation(spec: Spec) -> Any:
    """Import and return the code behind `spec`."""
    module, _, name = spec.implementation.partition(":")
    return getattr(importlib.import_module(module), name)

"""The JSON Schema of every kind of page, for editors and for the reference of pages.

A field is described by the docstring below it. The docstrings are read from the source when a
schema is asked for, and not by pydantic's `use_attribute_docstrings`, which reads them whenever a
class is defined: 60 ms of every command.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from harness.interfaces import Page
from harness.pages.benchmark import Benchmark, PromptSuite
from harness.pages.curation import Curation
from harness.pages.policy import Policy
from harness.pages.recipe import Recipe
from harness.records import Result

SCHEMAS: dict[str, type[Page]] = {
    "recipe.v1": Recipe,
    "benchmark.v1": Benchmark,
    "suite.v1": PromptSuite,
    "result.v1": Result,
    "policy.v1": Policy,
    "curation.v1": Curation,
}


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a page, with a description of every field."""
    return model.model_json_schema(schema_generator=_Described)


def schemas() -> dict[str, str]:
    """Return the JSON Schema of every kind of page, as the text of a file."""
    return {
        f"{name}.json": json.dumps(schema(model), indent=1, sort_keys=True) + "\n"
        for name, model in SCHEMAS.items()
    }


class _Described(GenerateJsonSchema):
    """Adds to each field the docstring that stands below it."""

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        written = super().model_schema(schema)
        if "description" in written:
            written["description"] = without_examples(written["description"])
        for name, field in written.get("properties", {}).items():
            text = _description(schema["cls"], name)
            if text is not None:
                field.setdefault("description", text)
        return written


def without_examples(text: str) -> str:
    """Return a docstring up to its examples, which are about Python and not about a page."""
    return text.partition("\n\n>>> ")[0]


def _description(model: type[Any], field: str) -> str | None:
    """Return the docstring of a field, which may stand in a class that `model` inherits from."""
    texts = (_docstrings(each.__module__).get((each.__qualname__, field)) for each in model.__mro__)
    return next((text for text in texts if text is not None), None)


@cache
def _docstrings(module: str) -> Mapping[tuple[str, str], str]:
    """Return the docstring below each field of each class of a module."""
    if not hasattr(sys.modules.get(module), "__file__"):
        return {}
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        (definition.name, field.target.id): " ".join(text.value.value.split())
        for definition in ast.walk(tree)
        if isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }

"""Every dataset that a recipe names, and which recipes name it."""

from __future__ import annotations

from typing import Any

from harness.errors import HarnessError
from harness.interfaces import SourceSpec
from harness.pages import recipe as recipes
from harness.pages.folders import available
from harness.report.numbers import or_dash


def datasets() -> list[dict[str, Any]]:
    """Return a row per dataset: its name, revision and size, and the recipes that train on it."""
    lines: dict[str, dict[str, Any]] = {}
    for name in available("recipe"):
        try:
            data = recipes.load(name).data
        except HarnessError:
            continue  # the list of recipes says what is wrong with it
        for source in (data.source, data.booster) if data else ():
            if source is not None:
                line = lines.setdefault(source.model_dump_json(), _line(source))
                line["recipes"].append(name)
    return list(lines.values())


def _line(source: SourceSpec) -> dict[str, Any]:
    facts = source.model_dump(mode="json", exclude={"use"}, exclude_defaults=True)
    name = str(facts.pop("id", None) or facts.pop("path", None) or facts.pop("files", None) or "")
    size = source.size() or facts.pop("rows", None) or facts.pop("limit", None)
    facts = {key: value for key, value in facts.items() if value not in (None, size)}
    return {
        "source": source.use,
        "name": name or str(facts.pop("set", "")),
        "rows": or_dash(size, ","),
        "revision": facts.pop("revision", None) or "–",
        "recipes": [],
        "more": ", ".join(f"{key}: {value}" for key, value in facts.items()),
    }

"""A part of a page, put into a whole one so that it can be checked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from running import ROOT


def merged(name: str, part: str, folder: Path) -> str:
    """Return the page `name`, of the folder or of the checkout, with the fields of a part."""
    file = folder / name if (folder / name).is_file() else ROOT / name
    yaml = YAML(typ="safe")
    page = yaml.load(file.read_text(encoding="utf-8"))
    page = _over(page, yaml.load(part)) | {"name": "part"}
    out = io.StringIO()
    yaml.dump(page, out)
    return out.getvalue()


def _over(below: Any, above: Any) -> Any:
    """Return one mapping laid over another; `use` begins a mapping anew, and so does a list."""
    if not isinstance(below, dict) or not isinstance(above, dict) or "use" in above:
        return above
    return {**below, **{name: _over(below.get(name), value) for name, value in above.items()}}

"""The components: scripts that make no markup of data and that a reader can read."""

from __future__ import annotations

from harness.views import components

SCRIPTS = ("board", "compare", "grid", "shared", "site", "vote")


def test_these_are_all_scripts() -> None:
    assert {file.stem for file in components.FOLDER.glob("*.js")} == set(SCRIPTS)


def test_no_component_makes_markup_of_data() -> None:
    for name in SCRIPTS:
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in components.source(name), f"{name}.js says {way}"


def test_no_line_is_wider_than_100_columns() -> None:
    texts = {name: components.source(name) for name in SCRIPTS} | {"style": components.style()}
    wide = [
        f"{name}:{number}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > 100
    ]
    assert wide == []


def test_a_component_carries_what_all_components_use() -> None:
    script = components.script("grid")
    assert script.index("function make(") < script.index("export default function")

"""The sets that recipes learn from, each once, with its recipes."""

from __future__ import annotations

from harness.views.datasets import datasets


def test_every_set_is_named_once_with_its_recipes() -> None:
    found = {(each["source"], each["name"], each["rows"]): each for each in datasets()}
    naruto = next(each for each in datasets() if each["name"] == "lambdalabs/naruto-blip-captions")
    assert {"naruto-256", "naruto-1024"} <= set(naruto["recipes"])
    danbooru = next(each for each in datasets() if each["recipes"] == ["danbooru-1024"])
    assert danbooru["rows"] == "1,430,000"
    assert ("pocket", "ninja", "1,221") in found
    assert len(found) == len(datasets())

"""The base that a config trains on: an SDXL model, or one that a person gives in its place."""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft

_OTHER_FAMILIES = {
    "SD 1.5": r"stable-diffusion-v?-?1[-.]|sd[-_]?v?1[-._]?[45]|v1-5-|anylora|counterfeit-v|sd15",
    "SD 2": r"stable-diffusion-2|sd[-_]?v?2[-._][01]|v2-1_",
    "SD 3": r"stable-diffusion-3|sd3|sd[-_]?v?3[-._]5",
    "Flux": r"flux",
    "another model": r"pixart|qwen|hunyuan|lumina|wan-?2|z-?image|chroma|hidream|cascade",
}


def place_base(draft: Draft, given: str | None) -> None:
    """Put the base into the page; `given` stands in for what the config names."""
    figure = draft.find("base.model")
    if given is not None:
        if figure is not None:
            draft.change(figure, "base.model", given, "--base names another")
        else:
            draft.assume("base", "base.model", given, "--base names it")
    elif draft.get("base.model") is not None:
        pass
    elif figure is None:
        raise UsageError("the config names no base model", hint="give --base")
    else:
        _require_sdxl(str(figure.value), draft.family)
        draft.keep(figure, "base.model", str(figure.value))
    for name in ("vae", "revision", "vae_revision"):
        found = draft.find(f"base.{name}")
        if found is not None and found.is_on:
            draft.keep(found, f"base.{name}", str(found.value))


def _require_sdxl(model: str, told: str | None) -> None:
    name = model.replace("\\", "/").rstrip("/").lower()
    last = "/".join(name.split("/")[-2:])
    family = told
    if family is None and "inpaint" in last:
        family = "made for inpainting"
    if family is None and not re.search(r"xl|pony|illustrious|noob", last):
        patterns = _OTHER_FAMILIES.items()
        family = next((each for each, known in patterns if re.search(known, last)), None)
    if family is not None:
        raise UsageError(
            f"the base {model} is {family}, and harness trains SDXL",
            hint="give --base with an SDXL model to train that in its place",
        )

"""Keys, tokens and passwords of a config: they are hidden before anything else reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness import escaping
from harness.pages.foreign.figures import number_of

HIDDEN = "…"
_SECRET = re.compile(
    r"(^|[^a-z])((api|access|secret|wandb|auth|account|private)_?keys?(_id)?|webhook(_url)?|secrets?"
    r"|pass(word|wd|phrase)|credentials?|(hf_)?auth(orization)?|connection_?string)$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(^|[^a-z])tokens?$", re.IGNORECASE)
"""Such a name may count the tokens of a caption too: its words are hidden, and not its numbers."""
_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bsk-[\w-]{20,}"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bwandb_v1_\w{20,}"
    r"|(?<=/api/webhooks/)\S+|(?<=hooks\.slack\.com/services/)\S+"
)
"""Secrets that are known by how they look or where they stand."""
_SAID = re.compile(r"(--[\w-]+[=\s]\s*|\b[\w.-]+=)(\"[^\"]*\"|'[^']*'|[^\s\"',}\]]+)")
"""A name and its value within words, as `--wandb_api_key abc` or `HF_TOKEN=abc`."""


def hide_secrets(value: Any, name: str = "") -> Any:
    """Return what a config says under a name, however deep, without its secrets."""
    if isinstance(value, Mapping):
        inner = name if _SECRET.search(name) else ""
        return {key: hide_secrets(each, inner or str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [hide_secrets(each, name) for each in value]
    if value in (None, "", False, True):
        return value
    if _is_secret(value, name):
        return HIDDEN
    return _hidden_within(value) if isinstance(value, str) else value


def _is_secret(value: Any, name: str) -> bool:
    plain = name.replace("-", "_")
    counted = number_of(value) is not None
    return bool(_SECRET.search(plain) or (not counted and _TOKEN.search(plain)))


def _hidden_within(text: str) -> str:
    return _SAID.sub(_said, _SHAPES.sub(HIDDEN, escaping.without_secrets(text)))


def _said(found: re.Match[str]) -> str:
    name, value = found.groups()
    secret = _is_secret(value.strip("\"'"), name.rstrip("= \t").lstrip("-"))
    return f"{name}{HIDDEN}" if secret else found[0]

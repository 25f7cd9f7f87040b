"""The commits of the weights that an extractor reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.extractors.hub import commit_of
from harness.extractors.specs import Head, OpenClip
from harness.interfaces import ExtractorSpec


def commits_of(spec: ExtractorSpec) -> dict[str, str]:
    """Return the commit that this machine keeps of each repository, where it keeps one."""
    return kept((*spec.repositories(), *_tagged(spec)))


def kept(repositories: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the commits of named repositories, each at its revision, where they are kept here."""
    found = ((name, commit_of(name, revision)) for name, revision in repositories)
    return {name: commit for name, commit in found if commit is not None}


def _tagged(spec: ExtractorSpec) -> Iterator[tuple[str, None]]:
    """Yield the repository in which open_clip finds the weights of a tag."""
    spec = spec.encoder if isinstance(spec, Head) else spec
    if isinstance(spec, OpenClip) and spec.pretrained:
        from open_clip.pretrained import get_pretrained_cfg  # imports torch

        found = get_pretrained_cfg(spec.model, spec.pretrained).get("hf_hub", "")
        if found:  # some name a file too
            yield "/".join(found.split("/")[:2]), None

"""What changed since a tag, by room: `python -m tools.changes [TAG]`, for a release's notes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK = "\x1e"


def room_of(file: str) -> str:
    """Return the room of a file: a package of harness/, or a folder at the top."""
    parts = Path(file).parts
    return parts[1] if parts[0] == "harness" and len(parts) > 2 else parts[0]


def by_room(commits: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Return subjects by the room in which each changed most files, tests apart."""
    rooms: Mapping[str, list[str]] = defaultdict(list)
    for subject, files in commits:
        counted = Counter(room_of(file) for file in files if not file.startswith("tests/"))
        counted.pop("CHANGELOG.md", None)
        rooms[counted.most_common(1)[0][0] if counted else "tests"].append(subject)
    return dict(sorted(rooms.items()))


def commits_since(tag: str | None) -> list[tuple[str, list[str]]]:
    """Return the subject of each commit since a tag, the oldest first, with its files."""
    since = [f"{tag}..HEAD"] if tag else []
    words = ["git", "log", "--reverse", "--no-merges", "--name-only", f"--format={MARK}%s", *since]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    blocks = [block.splitlines() for block in told.split(MARK)[1:]]
    return [(lines[0], [line for line in lines[1:] if line]) for lines in blocks]


def main() -> None:
    for room, subjects in by_room(commits_since(sys.argv[1] if sys.argv[1:] else None)).items():
        print(f"\n### {room}\n")
        print("\n".join(f"- {subject}" for subject in subjects))


if __name__ == "__main__":
    main()

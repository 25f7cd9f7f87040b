"""Changes by room: a commit stands where it changed most, tests and CHANGELOG apart."""

from __future__ import annotations

from tools.changes import by_room, room_of


def test_a_file_is_in_the_room_that_contributing_names() -> None:
    rooms = {
        "harness/decisions/gate.py": "decisions",
        "harness/pages/foreign/kohya.py": "pages",
        "harness/errors.py": "harness",
        "performance/card/full.py": "performance",
        "Makefile": "Makefile",
    }
    assert {file: room_of(file) for file in rooms} == rooms


def test_a_commit_stands_where_it_changed_most() -> None:
    commits = [
        ("Refuse a seed", ["harness/pages/suite.py", "tests/pages/test_a.py", "tests/b.py"]),
        ("Name a line", ["CHANGELOG.md", "tests/pages/test_a.py"]),
        ("Rank", ["harness/cli/a.py", "harness/decisions/a.py", "harness/decisions/b.py"]),
    ]
    assert by_room(commits) == {
        "decisions": ["Rank"],
        "pages": ["Refuse a seed"],
        "tests": ["Name a line"],
    }

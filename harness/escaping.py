"""The words of strangers, made harmless for the place where they are shown.

A name, a caption or a reason may come from anybody's page, result or picture. A terminal reads
some of its signs as commands, a spreadsheet reads some cells as formulas, a shell runs what stands
behind a semicolon. Each function here is for one such place. HTML is the templates' own affair:
they escape everything.
"""

from __future__ import annotations

import html
import re
import shlex
import zlib
from collections.abc import Sequence

_UNSEEN = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LONE = re.compile("[\ud800-\udfff]")
_SIGNS = re.compile(r"([\\`*_\[\]|#~$!])")
_FIRST_SIGN = re.compile(r"^(\d*)([-+=.)])(?=\s|[-=]|$)")
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20\u2212\t\r\n"
"""Signs, also their wide forms, with which a spreadsheet lets a formula begin or a cell end."""
_JOB_COMMAND = re.compile(r"::(?=[A-Za-z])")
_USER = re.compile(r"(?<=://)(?!\[)(?:[^/\s:]*:(?!\d*/)\S*|[^/\s]*)@(?=\S)")
"""What stands before a host; a password that holds a slash is one all the same."""
_QUERY = re.compile(r"(://[^\s?'\"]*)\?[^\s'\")]+")


def printable(text: str) -> str:
    """Return text in which a terminal finds no command: such signs are written as in Python.

    Lines and tabs stay. Signs that turn the direction of writing are commands too.
    """
    return _LONE.sub(_written, _UNSEEN.sub(_written, text))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str) -> str:
    """Return text on one line, so that it cannot pass for a line of ours.

    However it is wrapped later, no line of it is a command to a CI job, such as `::error::`.
    """
    return _JOB_COMMAND.sub(": :", " ".join(printable(text).split()))


def json_text(text: str) -> str:
    """Return JSON of the same meaning that holds no sign a terminal obeys."""
    return _LONE.sub(_in_json, _UNSEEN.sub(_in_json, text))


def _in_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def in_cell(text: str) -> str:
    """Return text as a cell that no spreadsheet takes for a formula."""
    begins = text.lstrip(" \u00a0\u3000\ufeff")[:1]
    return f"'{text}" if begins and begins in _FORMULA else text


def in_markdown(text: str) -> str:
    """Return a stranger's words as one line of Markdown in which nothing is a sign."""
    line = _SIGNS.sub(r"\\\1", one_line(text))
    line = _FIRST_SIGN.sub(r"\1\\\2", line)
    return html.escape(line, quote=False)


def in_code(text: str) -> str:
    """Return a name that cannot leave its backticks."""
    return re.sub(r"[^\w./:@=+-]", "_", text)


def command(verb: str, *words: str, options: Sequence[str] = ()) -> str:
    """Return a command of ours to copy: every word is one argument, whatever is in it.

    A word that looks like an option is none: then the options stand before a `--`.
    """
    looks_like_option = any(word.startswith("-") for word in words)
    parts = [*options, "--", *words] if looks_like_option else [*words, *options]
    return " ".join(["harness", verb, *(shlex.quote(printable(part)) for part in parts)])


def without_secrets(text: str) -> str:
    """Return text whose addresses say no user, no password and no query.

    A query holds the signature of an address that is signed beforehand.
    """
    return _QUERY.sub(r"\1?…", _USER.sub("…@", text))


def as_name(words: str) -> str:
    """Return words as a name of a page or a result: small letters, digits and dashes.

    Words without any of these get a name of digits that is always the same.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:48].strip("-")
    return plain or f"folder-{zlib.crc32(words.encode('utf-8', 'backslashreplace'))}"

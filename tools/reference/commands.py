"""commands.md: every command with its options, from the program that `--help` reads too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from harness.cli.program import GROUPS, app
from harness.errors import EXIT_CODES
from tools.reference.markdown import head, table

INTRODUCTION = """\
`harness --help` lists the commands in the same groups, `harness COMMAND --help` says what stands
here. Every command accepts `--store`, `--reports`, `--device` and `--json`, so that a script can
give them everywhere; a command lists those that it uses. `--json` prints one JSON document on
stdout and nothing else; progress goes to stderr.

<!-- run: elsewhere tests/cli/test_examples.py -->
"""


def reference() -> str:
    """Return the page of all commands."""
    found = list(every_command(get_command(app)))
    sections = [head("Commands", "the program itself", INTRODUCTION), exit_codes()]
    for group in GROUPS:
        sections.append(f"## {group.capitalize()}\n")
        sections += [_section(words, made) for words, of, made in found if of == group]
    return "\n".join(sections)


def exit_codes() -> str:
    """Return what each exit code means."""
    rows = [(f"{code}", what) for code, what in EXIT_CODES.items()]
    return "## Exit codes\n\n" + table(("code", "when"), rows)


def every_command(parent: Any, before: str = "", group: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield each command by its words and its group; those of `store` have two words."""
    for name, made in parent.commands.items():
        of = made.rich_help_panel or group
        if hasattr(made, "commands"):
            yield from every_command(made, f"{before}{name} ", of)
        elif not made.hidden:
            yield f"{before}{name}", of, made


def _section(words: str, made: Any) -> str:
    parameters = [each for each in made.params if not each.hidden]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    usage = " ".join(["harness", words, *map(_usage, arguments), "[OPTIONS]"])
    example = str(made.epilog).strip().splitlines()[-1].strip()
    return "\n".join(
        [
            f"### {words}\n",
            f"`{usage}`\n",
            made.help.strip() + "\n",
            f"```bash\n{example}\n```\n",
            table(("option", "default", "what it does"), map(_row, parameters)),
        ]
    )


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return str(name if argument.required or name.startswith("[") else f"[{name}]")


def _row(parameter: Any) -> tuple[str, str, str]:
    variable = f" (`{parameter.envvar}`)" if parameter.envvar else ""
    return _name(parameter), _default(parameter), (parameter.help or "") + variable


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    flags = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return ", ".join(f"`{flag}{value}`" for flag in flags)


def _default(parameter: Any) -> str:
    """Return the default as help shows it: in words where the program has words for it."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.required:
        return "must be given"
    if parameter.default in (None, False, [], ()) or callable(parameter.default):
        return ""
    return f"`{getattr(parameter.default, 'value', parameter.default)}`"

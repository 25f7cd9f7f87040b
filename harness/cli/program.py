"""The program: its groups of commands, how a command joins one, and how an error ends it."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from harness.cli.output import say
from harness.errors import EXIT_CODES, HarnessError, UsageError
from harness.escaping import without_secrets
from harness.fingerprint import VERSION

P = ParamSpec("P")
T = TypeVar("T")

GROUPS = ("make", "judge", "decide", "browse", "data", "upkeep")
"""Sections of `harness --help`; a command of one is in the file of that name."""

AFTER_COMMANDS = f"""\
Every command accepts --store, --reports, --device and --json, so that a script can give them
everywhere. The help of a command lists those that it uses.

Environment variables give defaults: HARNESS_STORE, HARNESS_REPORTS, HARNESS_DEVICE,
HARNESS_BENCHMARK, HARNESS_CARD, HARNESS_EXECUTOR, HARNESS_PROCESSES, HARNESS_BATCH.
HARNESS_DEBUG=1 shows the traceback of an unexpected error.

{fill(f"Exit codes: {', '.join(f'{code} {what}' for code, what in EXIT_CODES.items())}.", 96)}
"""

VARIABLES = {
    "HARNESS_DEBUG": "1 shows the traceback of an unexpected error.",
    "HARNESS_LAUNCH": (
        "Arguments of `accelerate launch` on this machine, for one training over several machines."
    ),
    "COLUMNS": "The width of tables where stdout is a file or a pipe.",
    "RAY_ADDRESS": "The Ray cluster that `--executor ray` joins; without it, this machine's own.",
    "GITHUB_TOKEN": "The token that `harness gate --comment` uses; GH_TOKEN where it is missing.",
    "GH_TOKEN": "The same, where GITHUB_TOKEN is missing.",
    "GITHUB_API_URL": "The API that the token is sent to, and no other.",
    "GITHUB_ACTIONS": "Where a workflow sets it, `harness gate` prints annotations of the job too.",
    "HF_HUB_OFFLINE": "1 keeps every command from the model hub; what is here already is used.",
}
"""What is read from the environment beside the defaults of flags."""


class Program(TyperGroup):
    """A group of commands whose help has a section for each of `GROUPS`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the whole first line of its help."""
        commands = [self.commands[name] for name in self.list_commands(ctx)]
        width = max(len(command.name or "") for command in commands)
        for group in (*GROUPS, None):
            rows = [
                (f"{command.name:<{width}}", first_line(command.help or ""))
                for command in commands
                if getattr(command, "rich_help_panel", None) == group and not command.hidden
            ]
            if rows:
                with formatter.section((group or "commands").capitalize()):
                    formatter.write_dl(rows)


def first_line(text: str) -> str:
    """Return the first line of a help text, without its full stop."""
    return text.strip().partition("\n")[0].rstrip(".")


def new_app(about: str, epilog: str | None = None) -> typer.Typer:
    """Return a group of commands without any yet."""
    return typer.Typer(
        cls=Program,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=about,
        epilog=epilog,
    )


app = new_app(
    "Know whether a style LoRA is any good: train, sample, score, compare.", AFTER_COMMANDS
)


def print_version(asked: bool) -> None:
    """Say the version and end, before any command is looked at."""
    if asked:
        say(f"harness {VERSION}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def command(
    group: str | None, example: str, name: str | None = None, parent: typer.Typer = app
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a function a command of a group; its help ends with the example."""

    def register(function: Callable[P, T]) -> Callable[P, T]:
        epilog = f"\b\nExample:\n  {example}"
        ready = accepting_common_flags(guarded(function))
        parent.command(name, rich_help_panel=group, epilog=epilog)(ready)
        return function

    return register


def guarded(function: Callable[P, T]) -> Callable[P, T]:
    """Turn an error into one line on stderr and its exit code."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            require_working_directory()
            return function(*args, **kwargs)
        except HarnessError as error:
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            end_stopped()
        except BrokenPipeError:
            sys.exit(0)
        except Exception as error:
            if os.environ.get("HARNESS_DEBUG"):
                raise
            what = " ".join(str(error).split())[:300] or type(error).__name__
            fail(f"{type(error).__name__}: {what} (HARNESS_DEBUG=1 shows where)", 1)

    return wrapper


def require_working_directory() -> None:
    """Refuse to work in a folder that was removed: pages, reports and stores are sought from it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "the working directory was removed", hint="change into a folder that is there"
        ) from None


def end_stopped() -> NoReturn:
    """End the program after Ctrl-C; another Ctrl-C ends it at once, and without a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    fail("stopped; run the same command again to go on from here", 130)


def fail(text: str, code: int) -> NoReturn:
    """End the program with a text on stderr."""
    say(without_secrets(text), file=sys.stderr)
    raise SystemExit(code)


COMMON_FLAGS: dict[str, tuple[object, object]] = {
    "store": (Annotated[str | None, typer.Option("--store", hidden=True)], None),
    "reports": (Annotated[str | None, typer.Option("--reports", hidden=True)], None),
    "device": (Annotated[str | None, typer.Option("--device", hidden=True)], None),
    "as_json": (Annotated[bool, typer.Option("--json", hidden=True)], False),
}
"""Annotation and default of the flags that a command accepts and hides where it has no use."""


def accepting_common_flags(function: Callable[..., T]) -> Callable[..., T]:
    """Let a command accept the common flags that it does not declare, and drop them."""
    own = inspect.signature(function, eval_str=True)
    unused = [name for name in COMMON_FLAGS if name not in own.parameters]

    @wraps(function)
    def wrapper(*args: Any, **options: Any) -> T:
        return function(*args, **{key: options[key] for key in options if key not in unused})

    hidden = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=COMMON_FLAGS[name][1],
            annotation=COMMON_FLAGS[name][0],
        )
        for name in unused
    ]
    signature = own.replace(parameters=[*own.parameters.values(), *hidden])
    vars(wrapper)["__signature__"] = signature
    return wrapper

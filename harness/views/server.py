"""The dashboard as a process of its own."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from harness.api.options import Workspace
from harness.errors import MissingPrerequisite
from harness.pages.defaults import DEMO_REPORTS


def serve(
    workspace: Workspace,
    port: int,
    host: str = "127.0.0.1",
    allow_write: bool = False,
    names: Sequence[str] = (),
) -> NoReturn:
    """Become the dashboard's server: a signal to this process is a signal to the server.

    `names` are those by which a browser may call it, besides its own.
    """
    if find_spec("streamlit") is None:
        raise MissingPrerequisite(
            "the dashboard needs streamlit", hint="pip install 'harness[dashboard]'"
        )
    app = folder()
    if (shown := reports_to_show(workspace.reports)) != workspace.reports:
        print(
            f"nothing in {workspace.reports} yet: showing the pocket demo's ({shown})",
            file=sys.stderr,
        )
    path = [str(app.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "HARNESS_STORE": str(workspace.store.resolve()),
        "HARNESS_REPORTS": str(workspace.reports.resolve()),
        "HARNESS_TOKEN": secrets.token_urlsafe(24) if allow_write else "",
        "HARNESS_HOST": host,
        "HARNESS_ALLOWED_HOSTS": ",".join(names),
        "PYTHONPATH": os.pathsep.join(path),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: what lies in the working directory is no module of ours.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "dashboard", str(port)], environment)


def folder() -> Path:
    """Return where the dashboard's files are: in the checkout, or in the installed package."""
    here = Path(__file__).parents[1]
    known = (here.parent / "dashboard", here / "shipped" / "dashboard")
    return next(root for root in known if (root / "app.py").is_file())


def reports_to_show(reports: Path) -> Path:
    """Return the reports to show: those asked for; else the demo's, made here or shipped."""
    others = (reports.parent / DEMO_REPORTS, folder().parent / "reports")
    return next((each for each in (reports, *others) if each.is_dir()), reports)

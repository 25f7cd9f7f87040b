"""The dashboard as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.api.options import Workspace
from harness.errors import MissingPrerequisite


def serve(
    workspace: Workspace, port: int, host: str = "127.0.0.1", allow_write: bool = False
) -> int:
    """Serve the dashboard until it is stopped; return its exit code."""
    if find_spec("streamlit") is None:
        raise MissingPrerequisite(
            "the dashboard needs streamlit", hint="pip install 'harness[dashboard]'"
        )
    app = folder()
    if reports_to_show(workspace.reports) != workspace.reports:
        print(f"nothing in {workspace.reports} yet: showing the pocket demo's", file=sys.stderr)
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "HARNESS_STORE": str(workspace.store.resolve()),
        "HARNESS_REPORTS": str(workspace.reports.resolve()),
        "HARNESS_WRITE": "1" if allow_write else "0",
        "PYTHONPATH": os.pathsep.join([str(app.parent), *([known] if known else [])]),
    }
    command = [sys.executable, "-m", "streamlit", "run", str(app / "app.py")]
    options = [
        f"--server.address={host}",
        f"--server.port={port}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]
    try:
        return subprocess.run([*command, *options], env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0  # the usual way to stop it


def folder() -> Path:
    """Return where the dashboard's files are: in the checkout, or in the installed package."""
    here = Path(__file__).parents[1]
    known = (here.parent / "dashboard", here / "shipped" / "dashboard")
    return next(root for root in known if (root / "app.py").is_file())


def reports_to_show(reports: Path) -> Path:
    """Return the reports to show: those asked for, or the demo's that ship with the package."""
    shipped = folder().parent / "reports"
    return reports if reports.is_dir() or not shipped.is_dir() else shipped

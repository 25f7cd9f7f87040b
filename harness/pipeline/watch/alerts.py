"""What a person should know before a run is over: said in the terminal, and posted where asked.

The address of a webhook may hold a secret: no message, log or document names it.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.interfaces import Progress
from harness.records import Step

VARIABLE = "HARNESS_ALERT_WEBHOOK"
SECONDS = 3.0
"""How long a webhook may take to answer."""
log = logging.getLogger(__name__)


class Alerts:
    """A watcher that warns of every alert, and posts it to a webhook where there is one."""

    def __init__(self, webhook: str | None = None) -> None:
        self._webhook = webhook or os.environ.get(VARIABLE) or None
        self._has_failed = False
        if self._webhook is not None:
            _check(self._webhook)

    def begin(self, step: Step, number: int, total: int) -> None: ...

    def progress(self, step: Step, progress: Progress) -> None:
        for text in progress.alerts:
            log.warning("%s, step %d of %d: %s", step.subject, progress.done, progress.total, text)
            if self._webhook is not None:
                self._post(self._webhook, step, progress, text)

    def end(self, step: Step) -> None: ...

    def _post(self, webhook: str, step: Step, progress: Progress, text: str) -> None:
        """Post one alert; a failure is told once, and stops nothing."""
        document = {
            "text": f"{step.subject}, step {progress.done} of {progress.total}: {text}",
            "alert": text,
            "recipe": step.subject,
            "step": progress.done,
            "steps": progress.total,
        }
        try:
            request = urllib.request.Request(
                webhook,
                json.dumps(document).encode(),
                {"Content-Type": "application/json", "User-Agent": "harness"},
            )
            with urllib.request.urlopen(request, timeout=SECONDS):
                pass
        except (OSError, ValueError) as error:  # what they say may name the address
            status = getattr(error, "code", None)
            what = f"status {status}" if status is not None else type(error).__name__
            if not self._has_failed:
                log.warning("the alert webhook cannot be reached (%s); the run goes on", what)
            self._has_failed = True


def _check(webhook: str) -> None:
    try:
        address = urlsplit(webhook)
        is_address = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(
            f"the alert webhook (--alert-webhook, {VARIABLE}) is no http or https address",
            hint="give the whole address, from https:// on",
        )

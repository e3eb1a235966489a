"""The portal of the chain: real processes on a home of its own, and an app that is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.clouds.e2e.visitor import Visitor
from tests.faults.place import ROOT, Place

PASSWORD: Final = "only for this chain"
POLL_S: Final = 0.5
SETTINGS: Final = """
apps = ["hymod"]

[OCEANID.CLUSTERS]
BUSY_LOOK_S = 1.0
LOOK_S = 3.0
QUEUE_S = 2.0
DAMPING_MINUTES = 0.1
"""


class ChainPortal:
    """A portal.

    Args:
        folder: Where its home is.
        environment: What its processes need to reach the emulator.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.place = Place(folder, settings=SETTINGS, paths=[ROOT / "examples"])
        self.place.environment |= environment
        self._app: subprocess.Popen[str] | None = None
        self.portal = self.place.up()
        self.visitor = Visitor(self.portal.answers())
        self.visitor.log_in(self.ask("boss", password=PASSWORD), PASSWORD)

    def ask(self, question: str, **more: Any) -> Any:
        """Ask the app."""
        if self._app is None:
            self._app = subprocess.Popen(
                [sys.executable, "-m", "tests.clouds.e2e.client"],
                cwd=ROOT,
                env={
                    **self.place.environment,
                    "DJANGO_SETTINGS_MODULE": "oceanid.portal.settings",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._app.stdin is not None and self._app.stdout is not None
        self._app.stdin.write(json.dumps({"ask": question, "with": more}) + "\n")
        self._app.stdin.flush()
        told = json.loads(self._app.stdout.readline())
        if "error" in told:
            raise AssertionError(told["error"])
        return told["answer"]

    def cluster(self) -> dict[str, Any]:
        """The cluster, which must be there."""
        found = self.ask("cluster")
        assert found is not None, "The cluster is gone."
        return dict(found)

    def until(self, what: str, look: Callable[[], Any], *, within_s: float) -> Any:
        """Wait until a look finds something.

        Raises:
            AssertionError: It does not in time, with everything that is known.
        """
        until = time.monotonic() + within_s
        while True:
            if found := look():
                return found
            if time.monotonic() > until:
                told = json.dumps(self.ask("cluster"), indent=1)
                raise AssertionError(
                    f"Not in {within_s:.0f} s: {what}\n{told}\n{self.place.said[-6000:]}"
                )
            time.sleep(POLL_S)

    def close(self) -> None:
        """End it."""
        if self._app is not None and self._app.stdin is not None:
            self._app.stdin.close()
            self._app.wait(timeout=20)
        self.place.close()

"""Serves an emulated Amazon as a process of its own: ``python -m tests.clouds.amazon.serve``."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
from typing import Any

from tests.clouds.amazon.emulator import Emulator, serve


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM; the first line that is printed is the address."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--booter", default="tests.clouds.booter:PaperBooter", help="module:callable"
    )
    given = parser.parse_args(arguments)
    module, _, name = given.booter.partition(":")
    booter: Any = getattr(importlib.import_module(module), name)()
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    served = serve(Emulator(booter), port=given.port)
    sys.stdout.write(f"{served.address}\n")
    sys.stdout.flush()
    ended.wait()
    served.close()
    close = getattr(booter, "close", None)
    if close is not None:
        close()


if __name__ == "__main__":
    main()

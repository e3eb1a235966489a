"""The small Azure as a process of its own: ``python -m tests.clouds.azure.serve --folder DIR``.

It prints one line of JSON (its address, its authority's file) when it listens, and ends with its
standard input. What tests ask of it is ``POST ADDRESS/_/WHAT``: see the module ``client``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from pathlib import Path

from tests.clouds.azure.server import SmallAzure
from tests.clouds.booter import Booter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where certificates go")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--booter", default="", help="module:callable that gives the Booter")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that operations take")
    given = parser.parse_args()
    azure = SmallAzure(given.folder, booter=_booter(given.booter), port=given.port)
    azure.world.delay_s = given.delay
    sys.stdout.write(json.dumps({"address": azure.address, "ca": str(azure.ca)}) + "\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        sys.stdin.read()
    except KeyboardInterrupt:
        return
    finally:
        azure.stop()
        close = getattr(azure.world.booter, "close", None)
        if close is not None:
            close()


def _booter(named: str) -> Booter | None:
    if not named:
        return None
    module, _, name = named.partition(":")
    made: Booter = getattr(importlib.import_module(module), name)()
    return made


if __name__ == "__main__":
    main()

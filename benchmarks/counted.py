"""The portal's web server, which tells how many statements it has sent to its database.

    python -m benchmarks.counted COUNTER --fd N

Each statement adds one to the number in the file COUNTER; nothing else of the server is changed.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NUMBER = struct.Struct("<Q")


class Counter:
    """A number that several processes see."""

    def __init__(self, place: Path) -> None:
        if not place.exists():
            place.write_bytes(_NUMBER.pack(0))
        with place.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _NUMBER.size)
        self._lock = threading.Lock()

    def value(self) -> int:
        """The number now."""
        return int(_NUMBER.unpack_from(self._shared)[0])

    def add(self) -> None:
        """One more; only one process does so."""
        with self._lock:
            _NUMBER.pack_into(self._shared, 0, self.value() + 1)


def main() -> int:
    """Serve, counting."""
    counter = Counter(Path(sys.argv.pop(1)))

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        counter.add()
        return execute(*args)

    def connected(connection: Any, **_: Any) -> None:
        if count not in connection.execute_wrappers:
            connection.execute_wrappers.append(count)

    from django.db.backends.signals import connection_created

    connection_created.connect(connected, weak=False)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanid.portal.settings")
    from oceanid.portal import serve

    return serve.main()


if __name__ == "__main__":
    sys.exit(main())

"""The batches on disk that are not closed: whose runners live, or must be seen to."""

from __future__ import annotations

from pathlib import Path

from oceanid.engines.local.runner.record import Claim
from oceanid.engines.local.spool import Spool


class LiveBatches:
    """The batches on disk that are not closed: whose runners live, or must be seen to."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._folder_time = -1
        self._open: dict[str, Claim | None] = {}
        self._closed: set[str] = set()
        self.stale = True

    def __bool__(self) -> bool:
        return bool(self._open)

    def discard(self, batch: str) -> None:
        """Take note that a batch is closed."""
        self._open.pop(batch, None)
        self._closed.add(batch)

    def refresh(self) -> None:
        """See which batches came or went; costs one look at a folder's time when none did."""
        changed = Path(self._spool.batches).stat().st_mtime_ns
        if changed == self._folder_time and not self.stale:
            return
        self._folder_time, self.stale = changed, False
        present = {each.name for each in Path(self._spool.batches).iterdir()}
        self._closed &= present
        self._open = {name: claim for name, claim in self._open.items() if name in present}
        for name in present - self._closed - self._open.keys():
            if self._spool.is_closed(name):
                self._closed.add(name)
            else:
                self._open[name] = None

    def lost(self) -> list[str]:
        """The batches whose runner is no more although it did not close them."""
        found = []
        for name, known in list(self._open.items()):
            claim = known or self._spool.claim(name)
            self._open[name] = claim
            if claim is None:
                if self._spool.grave(name):
                    # A submission that overslept its batch's whole life made the folder anew.
                    self._spool.bury(name)
                    self.discard(name)
                continue
            if claim.dead or self._spool.is_closed(name):
                self.discard(name)
            elif not claim.is_alive():
                found.append(name)
        return found

    def generations(self) -> set[int]:
        """The generations of the journal that these batches may still write to."""
        used = set()
        for name in self._open:
            manifest = self._spool.manifest(name)
            if manifest is not None:
                used.add(manifest.generation)
        return used

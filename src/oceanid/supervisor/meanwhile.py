"""Applies what a watch tells and what a sweep finds one after the other, the watch's word last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from uuid import UUID

from oceanid.specs import ObservationBatch


class Meanwhile:
    """What the watch told while a sweep looked: it is newer than what the sweep found."""

    def __init__(self) -> None:
        self._applying = asyncio.Lock()
        self._told: set[tuple[UUID, int]] | None = None

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """From before a sweep looks until what it found is applied."""
        self._told = set()
        try:
            yield
        finally:
            self._told = None

    @asynccontextmanager
    async def applying(
        self, seen: ObservationBatch, *, is_swept: bool
    ) -> AsyncIterator[ObservationBatch]:
        """While this is applied nothing else is; gives what of it is still to be believed."""
        async with self._applying:
            told = self._told if self._told is not None else set()
            if is_swept:
                news = (each for each in seen.observations if (each.batch, each.proc) not in told)
                seen = replace(seen, observations=tuple(news))
            else:
                told.update((each.batch, each.proc) for each in seen.observations if each.moves)
            yield seen

"""Follows every generation of the event log in one stream, however many jobs write to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from oceanid.engines.htcondor.remote import Remote
from oceanid.errors import EngineUnavailable

SILENCE_S: Final = 60.0
"""A stream that says nothing for so long, not even that it is alive, is broken."""

MOST_A_LOOK: Final = 4 << 20

# One look: what each file has more than before. Files are told by inode, so that a renamed one
# goes on and a new one of the same name begins at its start. Journals are looked at last, so that
# they have all that was told before what the log says in the same look.
_FOLLOW: Final = """\
quiet=0
while :; do
    news=
    for line in $(stat -c %i:%s:%n log/* dag/* 2>/dev/null); do
        i=${line%%:*}; rest=${line#*:}; s=${rest%%:*}; f=${rest#*:}
        eval "o=\\${o_$i:-0}"
        [ "$s" -lt "$o" ] && o=0
        # A journal goes with its batch, and its inode may be another's at once.
        case $f in dag/*) eval "n=\\${n_$i:-$f}; n_$i=\\$f"; [ "$n" = "$f" ] || o=0 ;; esac
        if [ "$s" -gt "$o" ]; then
            c=$((s - o)); [ "$c" -le "$MOST" ] || c=$MOST
            printf '\\n%s D %s %s %s\\n' "$NONCE" "$i" "$o" "$f" || exit
            tail -c "+$((o + 1))" "$f" | head -c "$c"
            o=$((o + c)); news=1
        fi
        eval "o_$i=$o"
    done
    if [ "$news" ]; then quiet=0; else quiet=$((quiet + 1)); fi
    if [ "$news" ] || [ $((quiet % 20)) = 0 ]; then printf '\\n%s E\\n' "$NONCE" || exit; fi
    if [ "$quiet" -lt 10 ]; then sleep 0.1; else sleep 0.3; fi
done
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """More of one file.

    Args:
        inode: Which file.
        offset: Where the piece begins in it.
        name: What it is called now.
        data: The bytes.
    """

    inode: int
    offset: int
    name: str
    data: bytes


async def follow(remote: Remote, offsets: Mapping[int, int]) -> AsyncGenerator[list[Piece], None]:
    """Yield, look by look, what was written behind these offsets; an empty list says only that
    the stream is alive.

    Raises:
        EngineUnavailable: The stream broke or fell silent.
    """
    nonce = secrets.token_hex(12)
    known = "".join(f"o_{inode}={offset}\n" for inode, offset in offsets.items())
    stream = remote.follow(known + _FOLLOW, NONCE=nonce, MOST=str(MOST_A_LOOK))
    frames = _Frames(nonce)
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    data = await anext(stream)
            except StopAsyncIteration:
                break
            except TimeoutError as problem:
                raise EngineUnavailable(
                    "The event log's stream was silent for {silence_s:.0f} s.",
                    hint="Is the network to the submit host well?",
                    silence_s=SILENCE_S,
                ) from problem
            for pieces in frames.feed(data):
                yield pieces
    raise EngineUnavailable("The event log's stream came to an end.", hint="It is begun again.")


class _Frames:
    """Cuts the stream into looks and their pieces."""

    def __init__(self, nonce: str) -> None:
        self._mark = b"\n" + nonce.encode() + b" "
        self._end = self._mark + b"E\n"
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[list[Piece]]:
        self._buffer += data
        looks = []
        while (found := self._buffer.find(self._end, self._searched)) >= 0:
            looks.append(self._pieces(bytes(self._buffer[:found])))
            del self._buffer[: found + len(self._end)]
            self._searched = 0
        self._searched = max(0, len(self._buffer) - len(self._end))
        return looks

    def _pieces(self, look: bytes) -> list[Piece]:
        pieces = []
        for part in look.split(self._mark)[1:]:
            head, _, data = part.partition(b"\n")
            word, inode, offset, name = head.split(b" ", 3)
            if word == b"D":
                pieces.append(Piece(int(inode), int(offset), name.decode(errors="replace"), data))
        return pieces

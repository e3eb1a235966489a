"""Tells a script's own output from the noise of a login shell, by random markers.

The login shell (bash, csh, fish …) is given one fixed line without any value, which starts ``sh``
and has it read exactly the script's bytes from its stdin; what follows them there is the script's
own stdin. Whatever the login shell prints comes before the first marker and is dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from oceanid.engines.htcondor.shell.sh import Script, sh

# dd, because it reads not one byte too many (POSIX dd; head -c may, and so may sh itself).
_MOST_NOISE: Final = 1 << 20
_START: Final = "exec /bin/sh -c 'eval \"$(dd bs=1 count={size} 2>/dev/null)\"'"


@dataclass(frozen=True, slots=True)
class Framed:
    """A script made ready to be sent.

    Args:
        command: The line for the login shell.
        head: What is written to its stdin first.
        begin: Stands before the output, on stdout and stderr.
        end: Stands behind it; on stdout the exit status and a line's end follow.
    """

    command: str
    head: bytes
    begin: bytes
    end: bytes


def frame(
    script: Script, *, environment: Mapping[str, str], path: Sequence[str], followed: bool = False
) -> Framed:
    """Wrap a script.

    Args:
        script: What to run, in a subshell of its own.
        environment: Variables that are set for it.
        path: Folders that go before PATH.
        followed: Whether it is a stream: its processes are killed when its stdin ends, that
            is, when the portal lets go of it or the connection breaks.
    """
    begin, end = f"[{secrets.token_hex(16)}]", f"[{secrets.token_hex(16)}]"
    exports = [
        sh("export @variable@", variable=f"{name}={value}") for name, value in environment.items()
    ]
    text = sh(
        _FOLLOWED if followed else _RUN,
        before="".join(f"{folder}:" for folder in path),
        exports=Script("\n".join(each.text for each in exports)),
        script=script.text,
        begin=begin,
        end=end,
    ).encode()
    return Framed(_START.format(size=len(text)), text, f"{begin}\n".encode(), end.encode())


_SURROUND = """\
umask 077
LC_ALL=C
PATH=@before@${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin
export LC_ALL PATH
@exports@
printf '%s\\n' @begin@
printf '%s\\n' @begin@ >&2
"""

_OVER = """\
printf '%s%s\\n' @end@ "$oceanid_status"
printf '%s' @end@ >&2
exit "$oceanid_status"
"""

_RUN = (
    _SURROUND
    + """\
( eval @script@ )
oceanid_status=$?
"""
    + _OVER
)

# setsid makes a process group, so that all of the script's processes can be killed at once: by the
# guard, or by us when the script ended first, as it may when its reader goes (tail -f ends then).
_FOLLOWED = (
    _SURROUND
    + """\
exec 3<&0
if command -v setsid >/dev/null 2>&1; then
  setsid /bin/sh -c @script@ </dev/null 3<&- & oceanid_child=$!
  oceanid_group=-$oceanid_child
else
  /bin/sh -c @script@ </dev/null 3<&- & oceanid_child=$!
  oceanid_group=$oceanid_child
fi
( while IFS= read -r oceanid_line; do :; done <&3
  exec 3<&-
  kill -TERM "$oceanid_group" 2>/dev/null || kill -TERM "$oceanid_child"
) >/dev/null 2>&1 & oceanid_guard=$!
exec 3<&-
wait "$oceanid_child"
oceanid_status=$?
case $oceanid_group in
  -*) kill -TERM "$oceanid_group" 2>/dev/null ;;
esac
kill "$oceanid_guard" 2>/dev/null
"""
    + _OVER
)


class Deframer:
    """Takes one of the two streams as it comes and gives what is the script's own."""

    def __init__(self, framed: Framed) -> None:
        self._framed = framed
        self._held = b""
        self._noise = 0
        self.begun = False
        self.ended = False
        self.after = b""

    def feed(self, data: bytes) -> bytes:
        """The script's bytes among these; some may be held back until the next call."""
        if self.ended:
            self.after += data[: 64 - len(self.after)]
            return b""
        self._held += data
        if not self.begun and not self._begin():
            return b""
        ended_at = self._held.find(self._framed.end)
        if ended_at >= 0:
            found = self._held[:ended_at]
            self.after = self._held[ended_at + len(self._framed.end) :][:64]
            self._held, self.ended = b"", True
            return found
        keep = _overlap(self._held, self._framed.end)
        found = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return found

    @property
    def noise(self) -> bytes:
        """What came although the script has not begun: the login shell's words."""
        return b"" if self.begun else self._held

    @property
    def rest(self) -> bytes:
        """What is held back, when the stream ended without its end marker."""
        return self._held if self.begun else b""

    @property
    def is_too_noisy(self) -> bool:
        """Whether so much came before the script that it will never begin."""
        return not self.begun and self._noise > _MOST_NOISE

    def _begin(self) -> bool:
        begun_at = self._held.find(self._framed.begin)
        if begun_at < 0:
            keep = max(len(self._framed.begin), 2000)
            self._noise += max(0, len(self._held) - keep)
            self._held = self._held[-keep:]
            return False
        self._held = self._held[begun_at + len(self._framed.begin) :]
        self.begun = True
        return True


def _overlap(data: bytes, marker: bytes) -> int:
    """How many bytes at the end may be the marker's beginning."""
    for size in range(min(len(marker) - 1, len(data)), 0, -1):
        if data.endswith(marker[:size]):
            return size
    return 0

"""Oceanid's own directory on the submit host, and the scripts that are run there.

Its parts: ``log/`` event logs in generations, ``dag/`` what workflows tell of their nodes,
``b/UUID/`` one folder a batch, ``lock/`` and ``grave/`` the fences, ``store/`` inputs by their
hash, ``tmp/`` what is on its way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final, Protocol

from oceanid.engines.htcondor.shell.sh import Script, lines, sh
from oceanid.errors import EngineError, EngineUnavailable

_ZONE = re.compile(r"([+-])(\d\d)(\d\d)")
_UNREACHABLE: Final = (
    "failed to connect|can.t connect|unable to connect|can.t find address|could not (find|locate)|"
    "failed to fetch ads|communication error|SECMAN|timed? ?out|Connection refused|DCSchedd|"
    "failed to (send|receive)|error connecting"
)
_DISK_FULL: Final = "No space left on device|Disk quota exceeded"
_QUEUE_FULL: Final = "MAX_JOBS_PER_|MAX_JOBS_SUBMITTED"
PASSING: Final = f"{_UNREACHABLE}|{_DISK_FULL}|{_QUEUE_FULL}"
"""What a command says that fails now and may work later; of both grep -E's language and ours."""
OPEN: Final = """\
umask 077
mkdir -p -- "$D/log" "$D/dag" "$D/b" "$D/lock" "$D/grave" "$D/store" "$D/tmp" || exit 1
cd -- "$D" && chmod 700 . && pwd -P && date +%z || exit 1
condor_version 2>&1 | head -n 1
find tmp -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} + 2>/dev/null
find grave -type f -mtime +30 -delete 2>/dev/null
:
"""


class Answer(Protocol):
    """What a shell gives back of a script."""

    @property
    def exit_status(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class Runs(Protocol):
    """What the engine needs of a shell on the submit host."""

    async def run(
        self,
        script: Script,
        *,
        stdin: bytes | AsyncIterator[bytes] = b"",
        timeout_s: float = 60.0,
    ) -> Answer: ...

    def follow(self, script: Script) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Host:
    """What was found when the directory was opened.

    Args:
        base: The directory's absolute path.
        zone: The host's time zone, in which the event log is written.
        version: HTCondor's version as three numbers; zeros when it can't be told.
    """

    base: str
    zone: tzinfo
    version: tuple[int, int, int]


class Remote:
    """The directory, reached through a shell."""

    def __init__(self, shell: Runs, directory: str) -> None:
        self._shell = shell
        self._directory = directory
        self._host: Host | None = None

    async def host(self) -> Host:
        """Make the directory ready, once."""
        if self._host is None:
            script = sh("D=@directory@\n@rest@", directory=self._directory, rest=Script(OPEN))
            found = await self._shell.run(script, timeout_s=60)
            said = found.stdout.decode(errors="replace").splitlines()
            if found.exit_status or len(said) != 3:
                raise EngineError(
                    "The directory {directory} can't be made on the submit host: {found}",
                    hint="Is there room, and may the account write there?",
                    code="no-spool",
                    directory=self._directory,
                    found=told(found),
                )
            base, zone, version = said
            self._host = Host(base, _zone(zone), _version(version))
        return self._host

    async def run(
        self,
        script: str,
        *,
        stdin: bytes | AsyncIterator[bytes] = b"",
        timeout_s: float = 60.0,
        **names: str,
    ) -> Answer:
        """Run a script in the directory; each name is a variable of it."""
        return await self._shell.run(
            await self._whole(script, names), stdin=stdin, timeout_s=timeout_s
        )

    async def follow(self, script: str, **names: str) -> AsyncGenerator[bytes, None]:
        """Run a script in the directory and yield what it says as it says it."""
        async for data in self._shell.follow(await self._whole(script, names)):
            yield data

    async def _whole(self, script: str, names: dict[str, str]) -> Script:
        host = await self.host()
        variables = [
            sh("@name@=@value@", name=Script(name), value=value) for name, value in names.items()
        ]
        return lines(
            [sh("umask 077; cd -- @base@ || exit 97", base=host.base), *variables, Script(script)]
        )


def told(answer: Answer, most: int = 1500) -> str:
    """What a failed script said, in one line."""
    text = answer.stderr.decode(errors="replace") or answer.stdout.decode(errors="replace")
    return " ".join(text.split())[-most:] or f"exit status {answer.exit_status}"


def failure(what: str, text: str) -> EngineError:
    """The error for a command of HTCondor that failed with these words."""
    if re.search(_QUEUE_FULL, text):
        return EngineError(
            "{what}: {text}",
            hint="It goes on by itself when the account has fewer jobs in the queue.",
            code="queue-full",
            transient=True,
            what=what,
            text=text,
        )
    if re.search(_DISK_FULL, text):
        return EngineError(
            "{what}: {text}",
            hint="Make room on the submit host's disk; it goes on by itself.",
            code="disk-full",
            transient=True,
            what=what,
            text=text,
        )
    if re.search(_UNREACHABLE, text, re.IGNORECASE):
        return EngineUnavailable(
            "{what}: {text}", hint="Does the scheduler's schedd run?", what=what, text=text
        )
    return EngineError("{what}: {text}", what=what, text=text)


def _zone(text: str) -> tzinfo:
    match = _ZONE.fullmatch(text.strip())
    if match is None:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


def _version(text: str) -> tuple[int, int, int]:
    match = re.search(r"CondorVersion: (\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)

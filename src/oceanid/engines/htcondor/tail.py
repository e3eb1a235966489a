"""Reads a task's output where it is now, while it runs and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from oceanid.engines.htcondor.describe import string
from oceanid.engines.htcondor.manifest import Entry
from oceanid.engines.htcondor.remote import Remote, told
from oceanid.errors import EngineError
from oceanid.specs import Piece

_TAIL: Final = """\
n=0
if [ -n "$F" ]; then f=$F; else f=b/$B/s/$S; fi
if [ -n "$F" ] || [ -f "$f" ]; then
    [ -f "$f" ] || exit 0
    n=$(wc -c <"$f")
    b=$O
    [ "$b" -ge 0 ] || b=$((n + O))
    [ "$b" -ge 0 ] || b=0
    tail -c "+$((b + 1))" "$f" | head -c "$L"
else
    [ -n "$J" ] || J=$(condor_q -constraint "$C" -af ClusterId ProcId | tail -n 1 | tr ' ' .)
    [ -n "$J" ] || exit 0
    exec 5>&1
    pick() {
        if [ "$O" -lt 0 ]; then tail -c "$((-O))" | head -c "$L"
        else tail -c "+$((O + 1))" | { head -c "$L"; cat >/dev/null; }
        fi
    }
    n=$( {
        { { condor_tail -maxbytes 1073741824 $OPTION "$J" || echo no >&4; } |
            tee /dev/fd/3 | wc -c >&4; } 3>&1 | pick >&5
    } 4>&1 )
    case $n in no*) exit 3 ;; esac
fi
printf '\\n%d' "$((n))"
"""


@dataclass(frozen=True, slots=True)
class Where:
    """A task at HTCondor.

    Args:
        batch: Its batch.
        proc: Its number there.
        job: HTCondor's name of it, ``cluster.proc``; None when it is not known.
    """

    batch: UUID
    proc: int
    job: str | None


async def piece_of(
    remote: Remote, where: Where, entry: Entry, stream: str, offset: int, limit: int
) -> Piece:
    """A piece of a task's output: of the file that all share, of the one that came back to the
    submit host, else of the one on the machine that it runs on.

    Args:
        remote: The submit host.
        where: The task.
        entry: What is to be known of it.
        stream: ``stdout`` or ``stderr``.
        offset: Where to begin, in bytes; from its end when negative.
        limit: The most bytes.

    Raises:
        EngineError: HTCondor can't read it now (transient).
    """
    path = entry.stdout if stream == "stdout" else entry.stderr
    if not path:
        return Piece()
    is_out = stream == "stdout" or entry.stdout == entry.stderr
    answer = await remote.run(
        _TAIL,
        F="" if entry.wanted.sandboxed else path,
        B=str(where.batch),
        S=f"{where.proc}.{'out' if is_out else 'err'}",
        OPTION="" if is_out else "-no-stdout -stderr",
        J=where.job or "",
        C=f"OceanidBatch == {string(str(where.batch))} && OceanidProc == {where.proc}",
        O=str(offset),
        L=str(max(0, limit)),
    )
    if answer.exit_status:
        raise EngineError(
            "HTCondor can't read the output where the task runs: {answer}",
            hint="It is tried again.",
            transient=True,
            answer=told(answer),
        )
    data, _, size = answer.stdout.rpartition(b"\n")
    if not size:
        return Piece()
    whole = max(int(size), max(0, offset) + len(data))
    return Piece(data, offset if offset >= 0 else max(0, whole + offset), whole)

"""Settles the batches whose runner died: nothing of them runs on, each task's fate is told once."""

from __future__ import annotations

import fcntl
import os
import signal
import time

from oceanid.engines.local.journal import ended_procs, lines_of
from oceanid.engines.local.runner import processes, record
from oceanid.engines.local.spool import Spool

_SWEEP_FOR_S = 10.0
_SAME_START_S = 5.0


def settle_lost(spool: Spool, batch: str) -> bool:
    """Tell what became of a batch whose runner is no more; False when there is nothing to do.

    Two supervisors may come here at once and either may be killed in the middle: the lock keeps
    them apart, and what the journal has already is not told again.
    """
    folder = spool.folder(batch)
    try:
        lock = os.open(f"{folder}/lost.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        claim = spool.claim(batch)
        if claim is None or claim.dead or spool.is_closed(batch) or claim.is_alive():
            return False
        manifest = spool.manifest(batch)
        if manifest is None:
            return False
        if not spool.grave(batch):
            _kill_leftovers(spool, batch)
            _tell(spool, manifest)
        spool.close(batch)
        return True
    finally:
        os.close(lock)


def _tell(spool: Spool, manifest: record.Manifest) -> None:
    marks = spool.marks(manifest.batch)
    told = ended_procs(spool, manifest.batch)
    now = time.time()
    lost = {
        "c": "runner-lost",
        "r": "The process that watched over it was killed, so its end is not known.",
        "h": "The machine may have been restarted or have run out of memory. Run it again.",
        "host": manifest.host,
    }
    lines = []
    for index, item in enumerate(manifest.items):
        if item.proc in told:
            continue
        if index < len(marks) and marks[index] != record.UNSTARTED:
            lines.append(record.line(manifest.batch, item.proc, "ERR", now, lost))
        else:
            lines.append(record.line(manifest.batch, item.proc, "QUE", now))
    lines.append(record.closing_line(manifest.batch))
    journal = record.Journal(manifest.journal)
    try:
        journal.write("".join(lines))
    finally:
        journal.close()


def _kill_leftovers(spool: Spool, batch: str) -> None:
    """Kill what the dead runner's tasks left: by the mark in their environment, by session."""
    claim = spool.claim(batch)
    same_boot = claim is not None and claim.boot == processes.boot_id()
    sessions = _open_sessions(spool, batch) if same_boot else {}
    until = time.monotonic() + _SWEEP_FOR_S
    while time.monotonic() < until:
        pids = set(processes.marked(b"OCEANID_BATCH=" + batch.encode()))
        for session, at in sessions.items():
            if _is_ours(session, at):
                pids.update(processes.in_session(session))
        pids = {pid for pid in pids if pid != os.getpid() and processes.start_time(pid)}
        for pid in tuple(pids):
            pids.update(processes.descendants(pid))
        if not pids:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except (ProcessLookupError, PermissionError):
                    continue
        time.sleep(0.005)


def _is_ours(session: int, at: float) -> bool:
    """Whether a session is still the task's; a leader that started at another time is a
    stranger who got the number."""
    started = processes.started_at(session)
    return not started or abs(started - at) < _SAME_START_S


def _open_sessions(spool: Spool, batch: str) -> dict[int, float]:
    """The sessions of tasks that were started and have no end, and when they started."""
    of_proc: dict[int, tuple[int, float]] = {}
    for told in lines_of(spool, frozenset({batch})):
        if told.get("s") == "RUN":
            of_proc.setdefault(told["p"], (told["pid"], told["t"]))
        elif told.get("s") in ("COM", "ERR", "ABT"):
            of_proc.pop(told["p"], None)
    return dict(of_proc.values())

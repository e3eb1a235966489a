"""Looks at processes: who lives, who descends from whom, what they hold and write."""

from __future__ import annotations

import os
import sys

LINUX = sys.platform.startswith("linux")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """What tells this boot of the machine from another."""
    if LINUX:
        return _read("/proc/sys/kernel/random/boot_id").strip()
    return _output("/usr/sbin/sysctl", "-n", "kern.boottime").strip()


def start_time(pid: int) -> str:
    """When a process started, in the kernel's own words; "" when it is gone or a zombie."""
    if not LINUX:
        state = _output("/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)).strip()
        return "" if state.startswith("Z") else state.partition(" ")[2].strip()
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def started_at(pid: int) -> float:
    """When a process started, in seconds since the epoch, or 0 when that can't be told."""
    ticks = start_time(pid)
    for line in _read("/proc/stat").splitlines():
        if line.startswith("btime ") and ticks:
            return int(line.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
    return 0.0


def is_alive(pid: int, started: str) -> bool:
    """Whether the very process that started then is still there (a pid alone is recycled)."""
    return bool(started) and start_time(pid) == started


def adopt_orphans() -> bool:
    """Make this process the parent of every descendant whose own parent ends."""
    if not LINUX:
        return False
    import ctypes

    pr_set_child_subreaper = 36  # prctl(2)
    return bool(ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0) == 0)


def descendants(root: int) -> list[int]:
    """Every process below ``root``, parents first."""
    if not LINUX or not os.path.exists(f"/proc/{root}/task/{root}/children"):
        return _descendants_by_parent(root)
    found: list[int] = []
    ahead = [root]
    while ahead:
        pid = ahead.pop()
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            below = [int(each) for each in _read(f"/proc/{pid}/task/{thread}/children").split()]
            found += below
            ahead += below
    return found


def marked(marker: bytes) -> list[int]:
    """Every process of this machine whose environment holds ``marker`` as one whole entry."""
    if not LINUX:
        return []
    entry = b"\0" + marker + b"\0"
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as environ:
                    if entry in b"\0" + environ.read() + b"\0":
                        found.append(int(name))
            except OSError:
                continue
    return found


def in_session(session: int) -> list[int]:
    """Every process of a session."""
    if not LINUX:
        rows = _rows("pid=,sess=")
        return [row[0] for row in rows if row[1] == session]
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 3 and int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(name))
    return found


def memory_bytes(pids: list[int], *, fair: bool = False) -> int:
    """The memory that these processes hold; ``fair`` counts shared pages once (slower)."""
    if not LINUX:
        wanted = set(pids)
        return sum(row[1] * 1024 for row in _rows("pid=,rss=") if row[0] in wanted)
    total = 0
    for pid in pids:
        if fair:
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
                    break
            else:
                total += _resident(pid)
        else:
            total += _resident(pid)
    return total


def written_bytes(pids: list[int]) -> int:
    """What these processes have had written to disk so far; -1 when it can't be told."""
    total = 0
    for pid in pids:
        told = _read(f"/proc/{pid}/io")
        if "\nwrite_bytes: " not in told:
            return -1
        total += int(told.rpartition("\nwrite_bytes: ")[2].split()[0])
    return total


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _descendants_by_parent(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    ahead = [root]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def _parents() -> list[tuple[int, int]]:
    if not LINUX:
        return [(row[0], row[1]) for row in _rows("pid=,ppid=")]
    pairs = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 1:
                pairs.append((int(name), int(fields[1])))
    return pairs


def _rows(columns: str) -> list[list[int]]:
    rows = []
    for line in _output("/bin/ps", "-axo", columns).splitlines():
        words = line.split()
        if all(word.lstrip("-").isdigit() for word in words):
            rows.append([int(word) for word in words])
    return rows


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
            if len(part) < 2048:
                break
        return b"".join(parts).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _output(*command: str) -> str:
    import subprocess

    return subprocess.run(command, capture_output=True, text=True, check=False).stdout

"""Looks whether this machine can run tasks, and how many at once."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from oceanid.engines.local.runner.start import user_of
from oceanid.engines.local.spool import Options, Spool
from oceanid.specs import Capacity, CheckReport, Step
from oceanid.states import Health

_MIB = 1 << 20


def check(spool: Spool, options: Options) -> CheckReport:
    """Look at the interpreter, the spool, the disk and the user; tells all as steps."""
    steps = [_python(options), _spool(spool), _disk(spool, options), _user(options)]
    offered = capacity(options)
    steps.append(
        Step("slots", True, f"{offered.cpus} processors and {offered.memory_mib} MiB for tasks.")
    )
    bad = [step.name for step in steps if not step.ok]
    health = Health.OK if not bad else Health.DEGRADED if bad == ["disk"] else Health.UNREACHABLE
    return CheckReport(health, tuple(steps), offered)


def capacity(options: Options) -> Capacity:
    """What tasks may use at once."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:
        usable = os.cpu_count() or 1
    return Capacity(
        cpus=options.cpus or usable,
        memory_mib=options.memory_mib or _memory_mib() * 9 // 10,
        max_batch=options.max_batch,
    )


def _memory_mib() -> int:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
    try:  # a container's own limit
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return whole
    return min(whole, int(limit) // _MIB) if limit.isdigit() else whole


def _python(options: Options) -> Step:
    command = [options.python, "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        version = tuple(int(part) for part in told.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        return Step(
            "python", False, f"“{options.python}” can't be run: {problem}.", "Set python_path."
        )
    name = ".".join(str(part) for part in version)
    if version < (3, 9):
        return Step(
            "python", False, f"Python {name} is too old.", "Set python_path to 3.9 or newer."
        )
    return Step("python", True, f"Python {name} runs the batches.")


def _spool(spool: Spool) -> Step:
    try:
        spool.make()
        probe = Path(spool.batches, f".probe.{os.getpid()}")
        linked = probe.with_suffix(".link")
        for each in (probe, linked):
            each.unlink(missing_ok=True)
        probe.touch(mode=0o600)
        linked.hardlink_to(probe)
        for each in (linked, probe):
            each.unlink()
    except OSError as problem:
        return Step(
            "spool",
            False,
            f"The spool {spool.root} can't be used: {problem.strerror}.",
            "It must be a writable directory on a disk of this machine.",
        )
    return Step("spool", True, f"The spool {spool.root} can be written.")


def _disk(spool: Spool, options: Options) -> Step:
    try:
        free = shutil.disk_usage(spool.root).free // _MIB
    except OSError as problem:
        return Step("disk", False, f"The disk can't be looked at: {problem.strerror}.")
    if free < options.disk_reserve_mib:
        return Step(
            "disk",
            False,
            f"{free} MiB are free, less than the {options.disk_reserve_mib} MiB kept in reserve.",
            "Free some space, or lower disk_reserve_mib.",
        )
    return Step("disk", True, f"{free} MiB are free.")


def _user(options: Options) -> Step:
    if not options.run_as:
        return Step("user", True, f"Tasks run as {user_of('')[0]}.")
    try:
        pwd.getpwnam(options.run_as)
    except KeyError:
        return Step("user", False, f"There is no user “{options.run_as}”.", "Correct run_as.")
    if os.getuid() != 0:
        return Step(
            "user", False, "Only root can run tasks as another user.", "Unset run_as, or be root."
        )
    if not sys.platform.startswith("linux"):
        return Step("user", False, "run_as works on Linux only.", "Unset run_as.")
    return Step("user", True, f"Tasks run as {options.run_as}.")

"""Looks at the way to a pool step by step, and tells a cure for each thing that is not well."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final

from oceanid.engines.htcondor.shell import (
    Completed,
    HostKeyChanged,
    HostKeyUnknown,
    Shell,
    Target,
    sh,
)
from oceanid.errors import EngineError, EngineUnavailable
from oceanid.specs import CheckReport, OfferedKey, Step
from oceanid.states import Health

OLDEST_TESTED: Final = (23, 0)
_STEP_S: Final = 45.0
_MOST_SKEW_S: Final = 60.0
_LEAST_FREE_MIB: Final = 500
_SLOTS: Final = 'PartitionableSlot =?= true || SlotType == "Static"'
_PATH_HINT: Final = (
    "Install HTCondor there, or name the folder of its commands in the record's “path”, and its "
    "configuration as CONDOR_CONFIG in “environment”."
)


async def look(shell: Shell, directory: str) -> CheckReport:
    """Look at the machine, the account, HTCondor and Oceanid's directory there.

    Args:
        shell: The way there; it is opened when it is not.
        directory: Oceanid's own directory there, absolute or relative to the account's home.

    Returns:
        A report whose steps end at the first thing without which the others can't be looked
        at. Nothing that can be told as a step is raised.
    """
    report = _Report()
    if user := await _reach(shell, report):
        # The directory needs no HTCondor, so it is looked at in any case.
        if await _tools(shell, report) and await _schedd(shell, report, user):
            await _slots(shell, report)
        await _directory(shell, directory, report)
    return CheckReport(report.health, tuple(report.steps), offered_key=report.offered_key)


class _Report:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.health = Health.OK
        self.offered_key: OfferedKey | None = None

    def well(self, name: str, found: str) -> None:
        self.steps.append(Step(name, True, found))

    def bad(self, name: str, found: str, hint: str, health: Health = Health.DEGRADED) -> None:
        self.steps.append(Step(name, False, found, hint))
        if self.health is not Health.UNREACHABLE:
            self.health = health


async def _reach(shell: Shell, report: _Report) -> str:
    """Whom we are there; "" when there is no way."""
    if shell.target is None:
        report.well("reachable", "It is this machine.")
    else:
        try:
            await shell.open()
        except EngineError as problem:
            _tell_way(problem, report)
            report.offered_key = _offered(problem, shell.target)
            return ""
        report.well("reachable", f"{shell.target.address} answers.")
        report.well("host key", "It shows the accepted host key.")
    try:
        before = await shell.identity()
    except EngineError as problem:
        report.bad("login", problem.message, problem.hint, Health.UNREACHABLE)
        return ""
    report.well("login", f"{before.user} on {before.host} ({before.system}).")
    ahead = before.clock_ahead_s
    if abs(ahead) > _MOST_SKEW_S:
        report.bad(
            "clock",
            f"Its clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}.",
            "Let both machines set their clocks by NTP. Jobs run, but their times are wrong.",
        )
    else:
        report.well("clock", f"Its clock is within {max(1, round(abs(ahead)))} s of ours.")
    return before.user


def _tell_way(problem: EngineError, report: _Report) -> None:
    """Put a failed connection where it failed."""
    reached = "It answers."
    match problem:
        case HostKeyUnknown() | HostKeyChanged():
            report.well("reachable", reached)
            name = "host key"
        case EngineError(slug="login-refused"):
            report.well("reachable", reached)
            report.well("host key", "It shows the accepted host key.")
            name = "login"
        case EngineUnavailable():
            name = "reachable"
        case _:
            name = "login"
    report.bad(name, problem.message, problem.hint, Health.UNREACHABLE)


def _offered(problem: EngineError, target: Target | None) -> OfferedKey | None:
    if not isinstance(problem, HostKeyUnknown | HostKeyChanged):
        return None
    jump, shown = target.jump if target is not None else None, problem.target
    is_jump = jump is not None and (shown.host, shown.port) == (jump.host, jump.port)
    return OfferedKey(
        shown.host,
        problem.key,
        problem.fingerprint,
        option="proxy_jump_host_key" if is_jump else "host_key",
        is_changed=isinstance(problem, HostKeyChanged),
    )


async def _tools(shell: Shell, report: _Report) -> bool:
    ask = sh("command -v condor_submit >/dev/null || exit 90; condor_version | head -n 1")
    done = await _asked(shell.run(ask, timeout_s=_STEP_S), "HTCondor", report)
    if done is None:
        return False
    found = re.search(rb"(\d+)\.(\d+)\.(\d+)", done.stdout)
    if done.exit_status == 90 or found is None:
        report.bad(
            "HTCondor", "There is no condor_submit on the account's PATH.", _PATH_HINT,
            Health.UNREACHABLE,
        )  # fmt: skip
        return False
    version = tuple(int(each) for each in found.groups())
    told = ".".join(map(str, version))
    if version[:2] < OLDEST_TESTED:
        report.bad(
            "HTCondor",
            f"HTCondor {told} is older than what Oceanid is tested with.",
            "23.9 and 25.x are tested; with an older one most things work, but not surely all.",
        )
    else:
        report.well("HTCondor", f"HTCondor {told}.")
    return True


async def _schedd(shell: Shell, report: _Report, user: str) -> bool:
    """Whether the schedd answers, and lets this account submit."""
    ask = sh(
        "condor_ping -type schedd READ WRITE || "
        "{ condor_ping -verbose -type schedd WRITE >&2; exit 1; }"
    )
    done = await _asked(shell.run(ask, timeout_s=_STEP_S), "schedd", report)
    if done is None:
        return False
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    reads = re.search(r"READ command using .* succeeded as (\S+)", told)
    writes = re.search(r"WRITE command using .* succeeded as (\S+)", told)
    # An account that is not let in is told so; a schedd that is not there says nothing of itself.
    refused = re.search(r"(?i)DENIED|authoriz|AUTHENTICATE:|no auth methods", told)
    if not (reads or writes or refused):
        report.bad(
            "schedd",
            f"The schedd does not answer. {_last(told)}".rstrip(),
            "Is condor_schedd in DAEMON_LIST of that machine, and does HTCondor run there?",
            Health.UNREACHABLE,
        )
        return False
    report.well("schedd", "The schedd answers.")
    if writes is None:
        report.bad(
            "may submit",
            f"The schedd does not let this account submit. {_last(told)}".rstrip(),
            "The account needs WRITE at the schedd: see ALLOW_WRITE, or give it a token "
            "(condor_token_create) in ~/.condor/tokens.d.",
        )
        return False
    if user == "root":
        report.bad(
            "may submit",
            "HTCondor runs no jobs of root.",
            "Let the record name an ordinary account.",
        )
        return True
    report.well("may submit", f"It may submit, as {writes[1].rstrip('.')}.")
    return True


async def _slots(shell: Shell, report: _Report) -> None:
    # Added up there, so that a pool of any size answers in one line.
    script = sh(
        "condor_status -constraint @slots@ -af TotalSlotCpus"
        " | awk '{ n++; cpus += $1 } END { print n + 0, cpus + 0 }'",
        slots=_SLOTS,
    )
    done = await _asked(shell.run(script, timeout_s=_STEP_S), "slots", report)
    if done is None:
        return
    count, cpus = (int(each) for each in [*done.stdout.split(), b"0", b"0"][:2])
    if count:
        report.well("slots", f"The pool has {cpus} CPUs in {count} slots.")
        return
    why = done.complaint
    report.bad(
        "slots",
        f"The pool shows no slots. {why}".rstrip(),
        "Do workers run, and may this account read the collector? Jobs wait until there are some.",
    )


async def _directory(shell: Shell, directory: str, report: _Report) -> None:
    script = sh(
        "mkdir -p -- @directory@ && cd -- @directory@ && pwd -P || exit 1\n"
        "echo x >.oceanid-check && rm -f .oceanid-check || exit 1\n"
        "df -Pk . | awk 'NR == 2 { print int($4 / 1024) }'",
        directory=directory,
    )
    done = await _asked(shell.run(script, timeout_s=_STEP_S), "directory", report)
    if done is None:
        return
    told = done.stdout.decode("utf-8", "replace").splitlines()
    if done.exit_status or len(told) < 2:
        report.bad(
            "directory",
            f"Oceanid's directory {directory} can't be written: {done.complaint}",
            "Give another one as “directory”, which the account owns, on a disk with room.",
        )
    elif int(told[1]) < _LEAST_FREE_MIB:
        report.bad(
            "directory", f"{told[0]} has only {told[1]} MiB free.",
            "Make room there, or give a directory on another disk.",
        )  # fmt: skip
    else:
        report.well("directory", f"{told[0]}, {told[1]} MiB free.")


async def _asked(asking: Awaitable[Completed], name: str, report: _Report) -> Completed | None:
    try:
        return await asking
    except EngineError as problem:
        report.bad(name, problem.message, problem.hint, Health.UNREACHABLE)
        return None


def _last(told: str) -> str:
    lines = [line for line in told.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

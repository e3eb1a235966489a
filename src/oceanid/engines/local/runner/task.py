"""Runs one task: starts it, keeps it within its limits, obeys commands, tells how it ended."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from . import files, processes
from .files import Refused
from .record import MAX_TEXT
from .sandbox import Sandbox
from .start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .main import Runner
    from .record import Item

_MIB = 1 << 20
_MAXRSS_KIB = 1 if sys.platform.startswith("linux") else 1 / 1024
_TRANSFER_IS_LONG = 32 * _MIB


class Stopped(Exception):
    """A stop was asked before the task's process was made."""


class End:
    """How a task ended."""

    __slots__ = ("code", "exit_code", "exit_signal", "hint", "reason", "state")

    def __init__(self, state: str, code: str = "", reason: str = "", hint: str = "") -> None:
        self.state = state
        self.code = code
        self.reason = reason
        self.hint = hint
        self.exit_code: int | None = None
        self.exit_signal: int | None = None


def run(runner: Runner, item: Item) -> None:
    """Run a task from its sandbox to the line that tells its end; raises nothing."""
    runner.ended, runner.cpu_s, runner.peak_kib = None, 0.0, 0
    work = _Work(runner, item)
    try:
        end = work.run()
    except Stopped:
        end = End("ABT", "stopped", "Stopped before it started.")
    except Refused as why:
        end = End("ERR", why.code, why.reason, why.hint)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the task must have an end
        end = End("ERR", "runner-error", f"{type(problem).__name__}: {problem}")
    if not runner.kill_all(work.pid):
        end.reason += " A process of it could not be killed."
    work.clean()
    runner.tell(item.proc, end.state, work.ended_at, _more(end, work))


def send(pids: list[int], number: int) -> None:
    """Send a signal to each of these processes that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


class _Work:
    """One task under way."""

    def __init__(self, runner: Runner, item: Item) -> None:
        self.runner = runner
        self.item = item
        self.pid = 0
        self.ended_at: float | None = None
        self.peak_mib: float | None = None
        self.scratch = runner.scratch
        self.box: Sandbox | None = None
        self.verdict: End | None = None
        self._paused_at: float | None = None
        self._paused_s = 0.0
        self._kill_at: float | None = None
        self._looks = 0
        self._written = -1

    def run(self) -> End:
        runner, item = self.runner, self.item
        self._check_disk()
        if item.initialdir != runner.initialdir:
            os.makedirs(item.initialdir, exist_ok=True)
            runner.initialdir = item.initialdir
        if item.transfer_files:
            spare, runner.spare = runner.spare, ""
            self.box = Sandbox(
                runner.sandboxes, item, owner=runner.owner, between=runner.between, spare=spare
            )
            program, here = self.box.make(), self.box.path
        else:
            program, here = item.executable, item.initialdir
        if runner.owner is not None:
            os.chown(self.scratch, *runner.owner)
        if runner.control_due:
            runner.read_control()
        if runner.stop_wanted:
            raise Stopped
        self.pid = start(runner, item, program=program, here=here, boxed=self.box is not None)
        self._started = time.monotonic()
        runner.tell(item.proc, "RUN", None, {"pid": self.pid, "host": runner.manifest.host})
        self._wait()
        self.ended_at = time.time()
        runner.kill_all(self.pid)
        return self._outcome()

    def clean(self) -> None:
        """Remove the sandbox and what was left in the scratch directory."""
        os.chdir(self.runner.folder)
        try:
            if self.box is not None:
                self.runner.spare = self.box.clear()
            for name in os.listdir(self.scratch):
                files.remove_tree(self.scratch, name)
        except (OSError, RecursionError):  # what is left goes with forget()
            pass

    def _wait(self) -> None:
        runner = self.runner
        while not runner.reap(self.pid):
            if runner.control_due:
                runner.read_control()
            if runner.hands_back_in() <= 0:
                runner.hand_back()
            now = time.monotonic()
            self._obey(now)
            if self._paused_at is None and now >= self._look_at():
                self._look(now)
            if self.verdict is not None and self._kill_at is not None and now >= self._kill_at:
                runner.kill_all(self.pid)
                continue
            runner.sleep(self._next(now) - now)

    def _next(self, now: float) -> float:
        soonest = now + 60.0
        if self._kill_at is not None:
            soonest = min(soonest, self._kill_at)
        if self._paused_at is None:
            soonest = min(soonest, self._look_at())
        back = self.runner.hands_back_in()
        return min(soonest, now + back) if back > 0 else soonest

    def _obey(self, now: float) -> None:
        runner, item = self.runner, self.item
        if self._kill_at is not None:
            return
        if runner.stop_wanted:
            self.verdict = End("ABT", "stopped", "Stopped on request.")
            self._kill_at = now + item.kill_timeout_s
            pids = runner.family(self.pid)
            send(pids, getattr(signal, item.kill_signal, signal.SIGTERM))
            send(pids, signal.SIGCONT)  # a stopped process would never see the signal
        elif runner.pause_wanted and self._paused_at is None:
            known: set[int] = set()
            while new := [pid for pid in runner.family(self.pid) if pid not in known]:
                send(new, signal.SIGSTOP)
                known.update(new)
            self._paused_at = now
            runner.tell(item.proc, "PAS")
        elif not runner.pause_wanted and self._paused_at is not None:
            send(runner.family(self.pid), signal.SIGCONT)
            self._paused_s += now - self._paused_at
            self._paused_at = None
            runner.tell(item.proc, "RUN", None, {"pid": self.pid, "host": runner.manifest.host})

    def _look_at(self) -> float:
        """When the limits are to be looked at next; never late for the wall time."""
        if self._looks == 0:
            due = self._started + 0.05
        else:
            watched = self.item.memory_mib is not None
            due = self._started + 0.05 + self._looks * (0.25 if watched else 1.0)
        if self.item.wall_time_s is not None:
            due = min(due, self._started + self._paused_s + self.item.wall_time_s)
        return due

    def _look(self, now: float) -> None:
        item = self.item
        every = 0.25 if item.memory_mib is not None else 1.0
        self._looks = max(self._looks, int((now - self._started - 0.05) / every)) + 1
        if self._kill_at is not None:
            return
        if (
            item.wall_time_s is not None
            and now - self._started - self._paused_s >= item.wall_time_s
        ):
            self._end_it(
                "time-limit",
                f"It ran longer than its limit of {item.wall_time_s:g} s.",
                "Ask for a longer wall time, or divide the work.",
            )
            return
        pids = self.runner.family(self.pid)
        held = processes.memory_bytes(pids)
        if item.memory_mib is not None and held > item.memory_mib * _MIB:
            held = processes.memory_bytes(pids, fair=True)
            if held > item.memory_mib * _MIB:
                self._end_it(
                    "memory-limit",
                    f"It held {held // _MIB} MiB of memory, and asked for {item.memory_mib} MiB.",
                    "Ask for more with request_memory.",
                )
        self.peak_mib = max(self.peak_mib or 0.0, held / _MIB)
        if self._looks % round(1 / every) == 0:
            self._look_at_disk(pids)

    def _look_at_disk(self, pids: list[int]) -> None:
        item = self.item
        if item.disk_mib is not None and self.box is not None:
            size = self.box.size()
            if size > item.disk_mib * _MIB:
                self._end_it(
                    "disk-limit",
                    f"It filled {size // _MIB} MiB of disk, and asked for {item.disk_mib} MiB.",
                    "Ask for more with request_disk.",
                )
        written, self._written = self._written, processes.written_bytes(pids)
        if (written == -1 or written != self._written) and self._is_disk_low():
            self._end_it(*self._disk_is_full())

    def _check_disk(self) -> None:
        if self._is_disk_low(self.item.disk_mib or 0):
            raise Refused(*self._disk_is_full())

    def _is_disk_low(self, more_mib: int = 0) -> bool:
        wanted = self.runner.manifest.reserve_mib + more_mib
        told = os.statvfs(self.runner.sandboxes)
        return told.f_bavail * told.f_frsize < wanted * _MIB

    def _disk_is_full(self) -> tuple[str, str, str]:
        reserve = self.runner.manifest.reserve_mib
        return (
            "disk-full",
            f"The disk of this machine is nearly full ({reserve} MiB are kept free).",
            "Free some space, then run it again.",
        )

    def _end_it(self, code: str, reason: str, hint: str) -> None:
        self.verdict = End("ERR", code, reason, hint)
        self._kill_at = time.monotonic()

    def _outcome(self) -> End:
        runner, item = self.runner, self.item
        code = os.waitstatus_to_exitcode(runner.ended if runner.ended is not None else 0)
        end = self.verdict or _natural_end(code, item, runner.manifest.max_output_mib)
        end.exit_code = code if code >= 0 else None
        end.exit_signal = -code if code < 0 else None
        if self.verdict is not None or self.box is None:
            return end
        if time.monotonic() - self._started > 1.0 and self.box.size() > _TRANSFER_IS_LONG:
            runner.tell(item.proc, "TRA")
            self.ended_at = None
        self.box.note_between(_no_interruption)
        try:
            self.box.bring_back()
        except Refused as why:
            if end.state != "COM":
                self.box.notes.append(why.reason)
            else:
                end.state, end.code, end.reason, end.hint = "ERR", why.code, why.reason, why.hint
        if self.box.notes:
            end.code = end.code or "outputs-skipped"
            end.reason = " ".join([end.reason, *self.box.notes]).strip()
        return end


def _natural_end(code: int, item: Item, max_output_mib: int | None) -> End:
    if code == item.success_exit_code:
        return End("COM")
    if code >= 0:
        return End("ERR", "exit-code", f"exit code {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if -code == signal.SIGXFSZ and max_output_mib is not None:
        return End(
            "ERR",
            "output-limit",
            f"It wrote a file larger than {max_output_mib} MiB.",
            "Write less, or ask an administrator to raise max_output_mib.",
        )
    hint = "The machine may have run out of memory." if -code == signal.SIGKILL else ""
    return End("ERR", "signal", f"killed by {name}", hint)


def _more(end: End, work: _Work) -> dict[str, Any]:
    runner = work.runner
    more: dict[str, Any] = {}
    if end.exit_code is not None:
        more["x"] = end.exit_code
    if end.exit_signal is not None:
        more["g"] = end.exit_signal
    for key, text in (("c", end.code), ("r", end.reason), ("h", end.hint)):
        if text:
            more[key] = text[:MAX_TEXT]
    if work.pid:
        more["host"] = runner.manifest.host
        more["cpu"] = round(runner.cpu_s, 4)
        more["mem"] = round(_peak_mib(runner.peak_kib * _MAXRSS_KIB / 1024, work.peak_mib), 2)
    return more


def _peak_mib(told: float, seen: float | None) -> float:
    """The peak memory; what the kernel tells of a short task includes ours before its exec."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_KIB / 1024
    return seen if told <= own and seen else max(told, seen or 0.0)


def _no_interruption() -> None:
    """An ended task's outputs are brought back whatever is asked now."""

"""Runs the tasks of one batch one after another, and writes down what becomes of each."""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import sys
import time

from . import processes, record, task
from .start import user_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LINES_A_WRITE = 200
_SWEEP_FOR_S = 30.0


def main() -> None:
    """Run the batch whose folder is the last argument, unless somebody else has taken it."""
    if os.fork():
        os._exit(0)  # a job that looks at its parents finds us and then init, never the portal
    os.umask(0o077)
    folder = sys.argv[-1]
    os.chdir(folder)
    runner = Runner(folder)
    if runner.claim():
        runner.run()


class Runner:
    """One slot of this machine and the batch that it works through."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.manifest = record.read_manifest(folder)
        self.items = self.manifest.items
        self.sandboxes = f"{self.manifest.sandboxes}/{self.manifest.batch}"
        self.scratch = f"{self.sandboxes}/tmp"  # noqa: S108 - our own directory
        self.journal = record.Journal(self.manifest.journal)
        self.marks = _open_marks(f"{folder}/marks", len(self.items))
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.user_name, self.owner = user_of(self.manifest.run_as)
        self.current: record.Item | None = None
        self.initialdir = ""
        self.spare = ""
        self.stop_wanted = False
        self.pause_wanted = False
        self.control_due = True
        self.ended: int | None = None
        self.cpu_s = 0.0
        self.peak_kib = 0.0
        self._first_start: float | None = None
        self._control_at = 0
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        # Handlers and not SIG_IGN, which every task would inherit.
        for number in (
            signal.SIGCHLD,
            signal.SIGUSR1,
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
        ):
            signal.signal(number, _nothing)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self.adopts = processes.adopt_orphans()

    def claim(self) -> bool:
        """Take the batch; False when another runner has it, or when it is dead or forgotten."""
        manifest = self.manifest
        if record.is_gone(manifest.graves, manifest.batch):
            return False
        taken = record.take_claim(
            self.folder,
            {
                "pid": os.getpid(),
                "started": processes.start_time(os.getpid()),
                "boot": processes.boot_id(),
                "gen": manifest.generation,
                "off": self.journal.size,
                "at": time.time(),
            },
        )
        if taken and record.is_gone(manifest.graves, manifest.batch):
            # The folder was removed and made anew under us by a submission that overslept.
            _touch(f"{self.folder}/closed")
            return False
        return taken

    def run(self) -> None:
        """Work through the items; what can't be started soon is handed back."""
        os.makedirs(self.scratch, exist_ok=True)
        if self.owner is not None:
            shared = self.manifest.sandboxes
            for path in (os.path.dirname(shared), shared, self.sandboxes):
                os.chmod(path, 0o711)  # noqa: S103 - the other user must get through
        for index, item in enumerate(self.items):
            if self.control_due:
                self.read_control()
            if self.hands_back_in() <= 0:
                self.hand_back()
                break
            if self.marks[index] != record.UNSTARTED:
                continue
            self.marks[index] = record.STARTED
            self.current, self.stop_wanted, self.pause_wanted = item, False, False
            if self._first_start is None:
                self._first_start = time.monotonic()
            task.run(self, item)
            self.marks[index] = record.ENDED
            self.current = None
        os.chdir(self.folder)
        for path in (self.spare, self.scratch, self.sandboxes):
            try:
                if path:
                    os.rmdir(path)
            except OSError:  # what is left there goes with forget()
                break
        self.journal.write(record.closing_line(self.manifest.batch))
        _touch(f"{self.folder}/closed")

    def tell(
        self, proc: int, state: str, at: float | None = None, more: dict[str, Any] | None = None
    ) -> None:
        """Write one line about a task."""
        now = time.time() if at is None else at
        self.journal.write(record.line(self.manifest.batch, proc, state, now, more))

    def hands_back_in(self) -> float:
        """Seconds until the items that were not started yet are to be handed back."""
        if self._first_start is None:
            return self.manifest.claim_for_s
        return self._first_start + self.manifest.claim_for_s - time.monotonic()

    def hand_back(self) -> None:
        """Tell that the items that were not started can be run elsewhere."""
        self._give_up(range(len(self.items)), "QUE", None)

    def sleep(self, timeout_s: float) -> None:
        """Wait for a child's end, a command, or the time."""
        if self._poll.poll(max(0.0, timeout_s) * 1000):
            try:
                while True:
                    numbers = os.read(self._wake, 512)
                    if signal.SIGUSR1 in numbers:
                        self.control_due = True
                    if len(numbers) < 512:
                        return
            except BlockingIOError:
                return

    def between(self) -> None:
        """Look up from a long copy: hand back what waits, and break off when a stop is asked."""
        self.sleep(0)
        if self.control_due:
            self.read_control()
        if self.hands_back_in() <= 0:
            self.hand_back()
        if self.stop_wanted:
            raise task.Stopped

    def read_control(self) -> None:
        """Read the commands that were appended since the last time, and note what is wanted."""
        self.control_due = False
        try:
            with open(f"{self.folder}/control", "rb") as file:
                file.seek(self._control_at)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._control_at += len(whole)
        for line in whole.splitlines():
            try:
                command = json.loads(line)
                self._obey(command["verb"], command["procs"])
            except (ValueError, KeyError, TypeError):  # a torn or foreign line asks for nothing
                continue

    def reap(self, main: int) -> bool:
        """Take in every ended child; whether ``main`` is among all that ended so far."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return self.ended is not None
            if pid == 0:
                return self.ended is not None
            self.cpu_s += used.ru_utime + used.ru_stime
            self.peak_kib = max(self.peak_kib, used.ru_maxrss)
            if pid == main:
                self.ended = status

    def has_children(self) -> bool:
        """Whether anything that a task started is still there."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return True
        except ChildProcessError:
            return False

    def family(self, main: int) -> list[int]:
        """Every process that a task consists of."""
        below = processes.descendants(os.getpid())
        if not self.adopts:
            below += [pid for pid in processes.in_session(main) if pid not in below]
        return below

    def kill_all(self, main: int) -> bool:
        """Leave no process of a task behind; False when the kernel would not let one go."""
        until = time.monotonic() + _SWEEP_FOR_S
        pause = 0.0005
        while True:
            self.reap(main)
            if self.adopts and not self.has_children():
                return True
            pids = self.family(main)
            if not pids and not self.adopts:
                return True
            for number in (signal.SIGSTOP, signal.SIGKILL):
                task.send(pids, number)
            if time.monotonic() > until:
                return False
            self.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _obey(self, verb: str, procs: list[int] | None) -> None:
        wanted = None if procs is None else set(procs)
        current = self.current
        if current is not None and (wanted is None or current.proc in wanted):
            if verb == "stop":
                self.stop_wanted = True
            else:
                self.pause_wanted = verb == "pause"
        if verb == "resume":
            return
        chosen = [
            index for index, item in enumerate(self.items) if wanted is None or item.proc in wanted
        ]
        if verb == "stop":
            self._give_up(chosen, "ABT", {"c": "stopped", "r": "Stopped before it started."})
        else:
            self._give_up(chosen, "QUE", None)

    def _give_up(self, indices: Any, state: str, more: dict[str, Any] | None) -> None:
        indices = [index for index in indices if self.marks[index] == record.UNSTARTED]
        now = time.time()
        for start in range(0, len(indices), _LINES_A_WRITE):
            chunk = indices[start : start + _LINES_A_WRITE]
            batch = self.manifest.batch
            lines = [record.line(batch, self.items[each].proc, state, now, more) for each in chunk]
            self.journal.write("".join(lines))
            for each in chunk:
                self.marks[each] = record.RETURNED


def _open_marks(path: str, count: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, max(1, count))
        return mmap.mmap(descriptor, max(1, count))
    finally:
        os.close(descriptor)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _nothing(number: int, frame: object) -> None:
    """Only the wake-up pipe matters."""

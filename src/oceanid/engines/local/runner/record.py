"""What the runner leaves on disk: the claim, the marks, the journal's lines; and what it reads."""

from __future__ import annotations

import errno
import json
import os
import time

from . import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNSTARTED, STARTED, ENDED, RETURNED = 0, 1, 2, 3
"""The marks of a batch's items, one byte each: STARTED is set before the process is made, the
last two after the journal has the line, so that a reader can tell what a dead runner did."""

MAX_TEXT = 1200


class Claim:
    """Who took a batch: a runner, or nobody ever (``dead``). The fence of the local engine."""

    __slots__ = ("at", "boot", "dead", "generation", "offset", "pid", "started")

    def __init__(self, data: dict[str, Any]) -> None:
        self.dead: bool = bool(data.get("dead"))
        self.pid: int = data.get("pid", 0)
        self.started: str = data.get("started", "")
        self.boot: str = data.get("boot", "")
        self.generation: int = data.get("gen", 0)
        self.offset: int = data.get("off", 0)
        self.at: float = data.get("at", 0.0)

    def is_alive(self) -> bool:
        """Whether the runner that made this claim still runs."""
        return (
            not self.dead
            and self.boot == processes.boot_id()
            and processes.is_alive(self.pid, self.started)
        )


def read_claim(folder: str) -> Claim | None:
    """The claim on a batch's folder, or None when nobody has taken it."""
    try:
        with open(f"{folder}/claim", encoding="utf-8") as file:
            return Claim(json.load(file))
    except FileNotFoundError:
        return None


def take_claim(folder: str, data: dict[str, Any]) -> bool:
    """Take a batch; exactly one caller in the world is told True.

    A link appears at once and whole, which an exclusive creation followed by a write does not.

    Raises:
        FileNotFoundError: The batch's folder is gone.
    """
    draft = f"{folder}/.claim.{os.getpid()}.{time.monotonic_ns()}"
    with open(draft, "x", encoding="utf-8") as file:
        json.dump(data, file)
    try:
        os.link(draft, f"{folder}/claim")
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)


def is_gone(graves: str, batch: str) -> str:
    """How a forgotten batch ended, or "" when it was not forgotten.

    Graves outlive the batches' folders for some days, so that a submission which slept through
    all of a batch's life finds that it may not start it again.
    """
    try:
        days = os.listdir(graves)
    except FileNotFoundError:
        return ""
    for day in days:
        try:
            with open(f"{graves}/{day}/{batch}", encoding="ascii") as file:
                return file.read() or "ran"
        except FileNotFoundError:
            continue
    return ""


class Item:
    """One task as the manifest describes it; the fields are those of ``TaskSpec``."""

    __slots__ = (
        "arguments",
        "cpus",
        "disk_mib",
        "environment",
        "executable",
        "initialdir",
        "inputs",
        "key",
        "kill_signal",
        "kill_timeout_s",
        "memory_mib",
        "output_remaps",
        "outputs",
        "proc",
        "stderr",
        "stdin",
        "stdout",
        "stdout_append",
        "success_exit_code",
        "transfer_executable",
        "transfer_files",
        "wall_time_s",
    )

    def __init__(self, data: dict[str, Any]) -> None:
        get = data.get
        self.proc: int = data["proc"]
        self.key: str = data["key"]
        self.executable: str = data["executable"]
        self.arguments: list[str] = get("arguments", [])
        self.environment: list[tuple[str, str]] = get("environment", [])
        self.initialdir: str = get("initialdir", "/")
        self.transfer_executable: bool = get("transfer_executable", True)
        self.transfer_files: bool = get("transfer_files", True)
        self.inputs: list[tuple[str, str, bool]] = get("inputs", [])
        self.outputs: list[tuple[str, str, bool]] | None = get("outputs")
        self.output_remaps: dict[str, str] = dict(get("output_remaps", ()))
        self.stdin: str = get("stdin", "")
        self.stdout: str = get("stdout", "")
        self.stderr: str = get("stderr", "")
        self.stdout_append: bool = get("stdout_append", False)
        self.success_exit_code: int = get("success_exit_code", 0)
        self.kill_signal: str = get("kill_signal", "SIGTERM")
        self.kill_timeout_s: float = get("kill_timeout_s", 10)
        self.cpus: int = get("cpus", 1)
        self.memory_mib: int | None = get("memory_mib")
        self.disk_mib: int | None = get("disk_mib")
        self.wall_time_s: float | None = get("wall_time_s")


class Manifest:
    """A batch as the engine wrote it down for its runner."""

    __slots__ = (
        "batch",
        "claim_for_s",
        "generation",
        "graves",
        "host",
        "items",
        "journal",
        "max_output_mib",
        "path",
        "reserve_mib",
        "run_as",
        "sandboxes",
    )

    def __init__(self, data: dict[str, Any]) -> None:
        self.batch: str = data["batch"]
        self.claim_for_s: float = data["claim_for_s"]
        self.generation: int = data["gen"]
        self.journal: str = data["journal"]
        self.graves: str = data["graves"]
        self.host: str = data["host"]
        self.max_output_mib: int | None = data["max_output_mib"]
        self.path: str = data["path"]
        self.reserve_mib: int = data["reserve_mib"]
        self.run_as: str = data["run_as"]
        self.sandboxes: str = data["sandboxes"]
        self.items = [Item(each) for each in data["items"]]


def read_manifest(folder: str) -> Manifest:
    """The manifest of a batch's folder."""
    with open(f"{folder}/manifest.json", encoding="utf-8") as file:
        return Manifest(json.load(file))


def line(batch: str, proc: int, state: str, at: float, more: dict[str, Any] | None = None) -> str:
    """One line of the journal; the batch stands at a fixed place, so that readers can skip."""
    start = f'{{"b":"{batch}","p":{proc},"s":"{state}","t":{at:.6f}'
    if not more:
        return start + "}\n"
    return f"{start},{json.dumps(more)[1:]}\n"


def closing_line(batch: str) -> str:
    """The last line that a batch's runner writes."""
    return f'{{"b":"{batch}","closed":1}}\n'


class Journal:
    """One generation of the journal, open for appending by many runners at once."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self.size = os.fstat(self._descriptor).st_size

    def write(self, text: str) -> None:
        """Append whole lines at once; waits as long as the disk is full, for no end may be lost.

        The newline in front keeps a line that another writer tore from swallowing ours.
        """
        data = b"\n" + text.encode("utf-8", "surrogateescape")
        while True:
            try:
                if os.write(self._descriptor, data) == len(data):
                    return
            except OSError as problem:
                if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise
            time.sleep(0.25)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

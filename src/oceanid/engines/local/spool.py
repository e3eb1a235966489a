"""What the local engine keeps on disk: batches, their claims, graves, journal generations."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from oceanid.engines.local.runner import record
from oceanid.engines.local.runner.record import Claim
from oceanid.specs import BatchItem, BatchSpec, Command, TaskSpec

MAX_GENERATION_BYTES: Final = 32 << 20
_GRAVES_KEPT_DAYS: Final = 14
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Options:
    """The engine's own options, from the scheduler record's ``config``.

    Args:
        cpus: Processors that tasks may use; None for all that this process may use.
        memory_mib: Memory that tasks may use; None for nine tenths of the machine's.
        disk_reserve_mib: Free space below which no task starts and a writing one is ended.
        max_output_mib: The most that one file of a task may hold; None for no limit.
        run_as: Another Unix user to run tasks as; needs root.
        python_path: The interpreter that runs batches; "" for this one.
        max_batch: The most tasks that are worth handing over in one batch.
        claim_for_s: How long after its first start a batch starts further tasks.
    """

    cpus: int | None = None
    memory_mib: int | None = None
    disk_reserve_mib: int = 512
    max_output_mib: int | None = None
    run_as: str = ""
    python_path: str = ""
    max_batch: int = 500
    claim_for_s: float = 1.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Options:
        """Read a scheduler's config; unknown keys and None for a default are let be."""
        known = {name: config[name] for name in cls.__slots__ if config.get(name) is not None}
        return cls(**known)

    @property
    def python(self) -> str:
        """The interpreter that runs batches."""
        return self.python_path or sys.executable


class Spool:
    """The engine's directory. What it holds is safe against a kill at any instant.

    ``batches/<uuid>/``: manifest.json, claim, marks, control, closed, runner.err.
    ``sandboxes/<uuid>/<proc>/``: where tasks run. ``journal/<generation>.log``: what happened.
    ``graves/<day>/<uuid>``: batches that were forgotten.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.batches = f"{root}/batches"
        self.sandboxes = f"{root}/sandboxes"
        self.journals = f"{root}/journal"
        self.graves = f"{root}/graves"

    def make(self) -> None:
        """Make the directories."""
        for path in (self.root, self.batches, self.sandboxes, self.journals, self.graves):
            Path(path).mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder(self, batch: UUID | str) -> str:
        """The folder of a batch."""
        return f"{self.batches}/{batch}"

    def journal(self, generation: int) -> str:
        """The file of one generation of the journal."""
        return f"{self.journals}/{generation}.log"

    def generations(self) -> list[int]:
        """The generations that are there, oldest first."""
        names = (each.stem for each in Path(self.journals).glob("*.log"))
        return sorted(int(name) for name in names if name.isdigit())

    def writing_generation(self) -> int:
        """The generation that a new batch is to write to."""
        newest = max(self.generations(), default=1)
        try:
            size = Path(self.journal(newest)).stat().st_size
        except FileNotFoundError:
            return newest
        return newest + 1 if size > MAX_GENERATION_BYTES else newest

    def prepare(self, batch: BatchSpec, options: Options) -> None:
        """Write a batch's manifest, whole or not at all."""
        folder = Path(self.folder(batch.batch))
        folder.mkdir(mode=0o700, exist_ok=True)
        if (folder / "manifest.json").exists():
            return
        generation = self.writing_generation()
        manifest = {
            "batch": str(batch.batch),
            "label": batch.label,
            "claim_for_s": options.claim_for_s,
            "gen": generation,
            "journal": self.journal(generation),
            "graves": self.graves,
            "host": os.uname().nodename,
            "max_output_mib": options.max_output_mib,
            "path": _search_path(options.python),
            "reserve_mib": options.disk_reserve_mib,
            "run_as": options.run_as,
            "sandboxes": self.sandboxes,
            "items": [_item(each) for each in batch.items],
        }
        draft = folder / f".manifest.{os.getpid()}.{time.monotonic_ns()}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(json.dumps(manifest).encode())
        draft.rename(folder / "manifest.json")

    def claim(self, batch: UUID | str) -> Claim | None:
        """The claim on a batch."""
        return record.read_claim(self.folder(batch))

    def grave(self, batch: UUID | str) -> str:
        """How a forgotten batch ended: ``dead``, ``ran``, or "" when it is not forgotten."""
        return record.is_gone(self.graves, str(batch))

    def kill_unborn(self, batch: UUID) -> bool:
        """Take a batch for nobody; False when a runner was faster."""
        Path(self.folder(batch)).mkdir(mode=0o700, exist_ok=True)
        return record.take_claim(self.folder(batch), {"dead": True, "at": time.time()})

    def is_closed(self, batch: UUID | str) -> bool:
        """Whether no runner writes for the batch any more and nothing of it is open."""
        return Path(self.folder(batch), "closed").exists()

    def close(self, batch: UUID | str) -> None:
        """Note that a batch is over."""
        Path(self.folder(batch), "closed").touch(mode=0o600)

    def manifest(self, batch: UUID | str) -> record.Manifest | None:
        """The batch's manifest, or None when there is none."""
        try:
            return record.read_manifest(self.folder(batch))
        except FileNotFoundError:
            return None

    def marks(self, batch: UUID | str) -> bytes:
        """How far the runner came: one byte an item."""
        try:
            return Path(self.folder(batch), "marks").read_bytes()
        except FileNotFoundError:
            return b""

    def ask(self, command: Command) -> None:
        """Append a command for the batch's runner."""
        told = {
            "verb": command.verb.value,
            "procs": None if command.procs is None else list(command.procs),
        }
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            control = os.open(f"{self.folder(command.handle.batch)}/control", flags, 0o600)
        except FileNotFoundError:
            return
        try:
            os.write(control, (json.dumps(told) + "\n").encode())
        finally:
            os.close(control)

    def bury(self, batch: UUID | str) -> None:
        """Remove all of a batch, and leave a grave, so that a late submission can't revive it."""
        claim = self.claim(batch)
        if not self.grave(batch):
            today = Path(self.graves, str(int(time.time() // _DAY_S)))
            today.mkdir(mode=0o700, exist_ok=True)
            ran = claim is not None and not claim.dead
            grave = os.open(today / str(batch), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(grave, "wb") as file:
                file.write(b"ran" if ran else b"dead")
        _remove(Path(self.sandboxes, str(batch)))
        _remove(Path(self.folder(batch)))

    def clear_graves(self) -> None:
        """Remove the graves that are too old for any submission to be still asleep."""
        today = int(time.time() // _DAY_S)
        for day in Path(self.graves).iterdir():
            if day.name.isdigit() and int(day.name) < today - _GRAVES_KEPT_DAYS:
                shutil.rmtree(day, ignore_errors=True)


_DEFAULT_SPEC: Final = TaskSpec(executable="")
_PLAIN_FIELDS: Final = (
    "initialdir",
    "transfer_executable",
    "transfer_files",
    "stdin",
    "stdout",
    "stderr",
    "stdout_append",
    "success_exit_code",
    "kill_signal",
    "kill_timeout_s",
    "arguments",
    "environment",
    "output_remaps",
)


def _item(item: BatchItem) -> dict[str, Any]:
    spec = item.spec
    told: dict[str, Any] = {"proc": item.proc, "key": item.key, "executable": spec.executable}
    for name in _PLAIN_FIELDS:
        value = getattr(spec, name)
        if value != getattr(_DEFAULT_SPEC, name):
            told[name] = value
    if spec.inputs:
        told["inputs"] = [(each.source, each.target, each.contents_only) for each in spec.inputs]
    if spec.outputs is not None:
        told["outputs"] = [(each.source, each.target, each.contents_only) for each in spec.outputs]
    wanted = spec.resources
    if wanted.cpus != 1:
        told["cpus"] = wanted.cpus
    for name in ("memory_mib", "disk_mib", "wall_time_s"):
        if getattr(wanted, name) is not None:
            told[name] = getattr(wanted, name)
    return told


def _search_path(python: str) -> str:
    """Where tasks look for programs; the portal's own python3 only when there is no other."""
    usual = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
    return os.pathsep.join([*usual, str(Path(python).parent)])


def _remove(path: Path) -> None:
    def allow(function: Any, name: str, problem: object) -> None:
        # A job may have taken its own rights off a folder.
        try:
            Path(name).parent.chmod(0o700)
            Path(name).chmod(0o700)
            function(name)
        except OSError:
            return

    for _ in range(3):
        shutil.rmtree(path, onerror=allow)
        if not path.exists():
            return

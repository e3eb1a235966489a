"""What must be known of tasks when they end, kept beside their outputs on the submit host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from oceanid.dags import Dag
from oceanid.errors import EngineError
from oceanid.specs import BatchSpec, TaskSpec, Transfer


@dataclass(frozen=True, slots=True)
class Wanted:
    """What tasks of one kind bring back, and what counts as success.

    Args:
        success: The exit code that means success.
        folder: The job's directory on this machine.
        sandboxed: Whether the tasks ran in a sandbox, so that something must be fetched.
        append: Whether stdout and stderr are appended to.
        keep_folders: Whether declared outputs keep their folders on the way.
        outputs: What was declared; None for all that is new.
        remaps: Names in the sandbox and their targets here.
        wall_time_s: How long they may run; None for as long as they want.
    """

    success: int
    folder: str
    sandboxed: bool
    append: bool
    keep_folders: bool
    outputs: tuple[Transfer, ...] | None
    remaps: tuple[tuple[str, str], ...]
    wall_time_s: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One task: its kind and its own streams here."""

    wanted: Wanted
    stdout: str
    stderr: str

    @property
    def brings_back(self) -> bool:
        """Whether there may be something to fetch."""
        wanted = self.wanted
        return wanted.sandboxed and (wanted.outputs != () or bool(self.stdout or self.stderr))


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be known of a workflow while DAGMan runs it.

    Args:
        proc: The number of the task that is DAGMan itself.
        nodes: Each node's name, the number of its first task, and how many it has.
    """

    proc: int
    nodes: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, dag: Dag) -> Plan:
        """What is to be known of this one."""
        return cls(dag.proc, tuple((n.name, n.procs.start, len(n.procs)) for n in dag.nodes))


class Manifest:
    """The tasks of one batch.

    Args:
        batch: The batch.
        entries: Its tasks by number.
        orders: For each cluster that it became, the tasks' numbers in the order of its procs.
        late: Which of these clusters are made into jobs little by little.
        plan: What is to be known of the workflow that it is; None for other batches.
    """

    def __init__(
        self,
        batch: UUID,
        entries: dict[int, Entry],
        orders: Sequence[Sequence[int]],
        plan: Plan | None = None,
        late: Sequence[int] = (),
    ) -> None:
        self.batch = batch
        self.entries = entries
        self.orders = [list(order) for order in orders]
        self.plan = plan
        self.late = frozenset(late)

    @classmethod
    def of(
        cls, batch: BatchSpec, orders: Sequence[Sequence[int]], late: Sequence[int] = ()
    ) -> Manifest:
        """The manifest of a batch that is about to be submitted."""
        kinds: dict[Wanted, Wanted] = {}
        entries = {}
        for item in batch.items:
            wanted = _wanted(item.spec)
            entries[item.proc] = Entry(
                kinds.setdefault(wanted, wanted), item.spec.stdout, item.spec.stderr
            )
        plan = None if batch.dag is None else Plan.of(batch.dag)
        return cls(batch.batch, entries, orders, plan, late)

    def dump(self) -> bytes:
        """As a file."""
        kinds: dict[Wanted, int] = {}
        rows = [
            [proc, kinds.setdefault(entry.wanted, len(kinds)), entry.stdout, entry.stderr]
            for proc, entry in self.entries.items()
        ]
        plain: dict[str, Any] = {
            "version": 1,
            "batch": str(self.batch),
            "orders": [[] if order == list(range(len(order))) else order for order in self.orders],
            "kinds": [_kind_to_json(kind) for kind in kinds],
            "tasks": rows,
        }
        if self.late:
            plain["late"] = sorted(self.late)
        if self.plan is not None:
            plain["dag"] = {"proc": self.plan.proc, "nodes": self.plan.nodes}
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogateescape"
        )

    @classmethod
    def load(cls, data: bytes) -> Manifest:
        """Read a file back.

        Raises:
            EngineError: It is no manifest.
        """
        try:
            plain = json.loads(data.decode(errors="surrogateescape"))
            kinds = [_kind_from_json(kind) for kind in plain["kinds"]]
            entries = {row[0]: Entry(kinds[row[1]], row[2], row[3]) for row in plain["tasks"]}
            orders = [order or list(range(len(entries))) for order in plain["orders"]]
            plan = None
            if dag := plain.get("dag"):
                plan = Plan(dag["proc"], tuple((n[0], n[1], n[2]) for n in dag["nodes"]))
            return cls(UUID(plain["batch"]), entries, orders, plan, plain.get("late", ()))
        except (ValueError, KeyError, TypeError, IndexError) as problem:
            raise EngineError(
                "A batch's manifest on the submit host can't be read.",
                hint="Something else writes into Oceanid's directory there.",
            ) from problem


def _wanted(spec: TaskSpec) -> Wanted:
    return Wanted(
        success=spec.success_exit_code,
        folder=spec.initialdir,
        sandboxed=spec.transfer_files,
        append=spec.stdout_append,
        keep_folders=any(name == "preserve_relative_paths" for name, _ in spec.passthrough),
        outputs=spec.outputs,
        remaps=spec.output_remaps,
        wall_time_s=spec.resources.wall_time_s,
    )


def _kind_to_json(kind: Wanted) -> dict[str, Any]:
    outputs = kind.outputs
    return {
        "success": kind.success,
        "folder": kind.folder,
        "sandboxed": kind.sandboxed,
        "append": kind.append,
        "keep": kind.keep_folders,
        "outputs": None
        if outputs is None
        else [[each.source, each.target, each.contents_only] for each in outputs],
        "remaps": [list(pair) for pair in kind.remaps],
        "wall": kind.wall_time_s,
    }


def _kind_from_json(plain: dict[str, Any]) -> Wanted:
    outputs = plain["outputs"]
    return Wanted(
        success=plain["success"],
        folder=plain["folder"],
        sandboxed=plain["sandboxed"],
        append=plain["append"],
        keep_folders=plain["keep"],
        outputs=None if outputs is None else tuple(Transfer(*each) for each in outputs),
        remaps=tuple((name, to) for name, to in plain["remaps"]),
        wall_time_s=plain.get("wall"),
    )

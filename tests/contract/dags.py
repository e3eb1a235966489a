"""Workflows for the tests of engines that run them as a whole."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oceanid.dags import Dag, DagNode, NodeObservation, Script
from oceanid.engines.testing import Bench, shell
from oceanid.specs import BatchItem, BatchSpec, Observation, TaskSpec, Transfer
from oceanid.states import NodeState, TaskState


@dataclass
class Workflow:
    """A workflow that is put together node by node.

    Args:
        folder: Its directory.
    """

    folder: Path
    items: list[BatchItem] = field(default_factory=list)
    nodes: list[DagNode] = field(default_factory=list)
    max_jobs: Mapping[str, int] = field(default_factory=dict)

    def add(
        self, name: str, *lines: str, parents: tuple[str, ...] = (), before: Any = None,
        after: Any = None, tasks: Mapping[str, Any] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Add a node that runs these lines of shell, each as a process of its own."""
        first = len(self.items)
        for number, line in enumerate(lines):
            streams = {"stdout": f"{self.folder}/{name}.{number}.out"}
            given = {"transfer_files": True, **streams, **(tasks or {})}
            self.put(shell(line, self.folder, **given))
        self.nodes.append(
            DagNode(
                name=name,
                title=more.pop("title", name),
                procs=range(first, len(self.items)),
                directory=more.pop("directory", str(self.folder)),
                parents=parents,
                before=self._script(before, f"{name}.pre"),
                after=self._script(after, f"{name}.post"),
                **more,
            )
        )

    def put(self, spec: TaskSpec) -> None:
        """Add a task."""
        self.items.append(BatchItem(len(self.items), f"k.{len(self.items)}", spec))

    def batch(self) -> BatchSpec:
        """All of it, as one batch."""
        identity = uuid.uuid4()
        own = TaskSpec("condor_dagman", initialdir=str(self.folder), transfer_executable=False)
        items = [
            *(replace(each, key=f"{identity}.1.{each.proc}") for each in self.items),
            BatchItem(len(self.items), f"{identity}.1.dag", own),
        ]
        dag = Dag(
            tuple(self.nodes), str(self.folder), len(self.items), tuple(self.max_jobs.items())
        )
        return BatchSpec(identity, tuple(items), own.resources, label="a workflow", dag=dag)

    def _script(self, given: Any, name: str) -> Script | None:
        if given is None:
            return None
        text, *words = [given] if isinstance(given, str) else given
        path = self.folder / f"{name}.sh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        streams = [f"{self.folder}/{name}.{end}" for end in ("out", "err")]
        return Script(str(path), tuple(words), *streams)


def states(bench: Bench, batch: BatchSpec, node: str) -> list[NodeState]:
    """What was told of a node, in order."""
    return [each.state for each in told(bench, batch) if each.node == node]


def told(bench: Bench, batch: BatchSpec) -> list[NodeObservation]:
    """Everything that was told of nodes, in order."""
    return [each for seen in bench.batches for each in seen.nodes if each.batch == batch.batch]


def last(bench: Bench, batch: BatchSpec) -> dict[str, NodeObservation]:
    """The last that was told of each node."""
    return {each.node: each for each in told(bench, batch)}


async def run(bench: Bench, batch: BatchSpec) -> dict[int, Observation]:
    """Submit a workflow and wait for its end; the last word of each task."""
    await bench.engine.submit(batch)
    return await bench.ends(batch)


async def until(bench: Bench, batch: BatchSpec, node: str, state: NodeState) -> None:
    """Wait until a node was told to be in a state."""
    async with asyncio.timeout(bench.timeout_s):
        while state not in states(bench, batch, node):
            bench._check_watcher()
            await asyncio.sleep(0.1)


ENDED = frozenset({TaskState.COMPLETE, TaskState.ERROR, TaskState.ABORTED})


def inputs(folder: Path, *names: str) -> tuple[Transfer, ...]:
    """Files of the workflow's directory as inputs."""
    return tuple(Transfer(f"{folder}/{name}", name) for name in names)

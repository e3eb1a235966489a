"""Runs a workflow on engines without workflows of their own: a node goes when its parents are
done; the cost follows what changed, not the size of the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, QuerySet
from django.utils import timezone

from oceanid.models import EventKind, Job, Task, WorkflowEdge, WorkflowNode
from oceanid.services import events
from oceanid.services.bulk import update_many
from oceanid.services.job_update import JobChange
from oceanid.states import NODE_FINAL, NodeState, TaskState, Wanted, node_can_move

if TYPE_CHECKING:
    from oceanid.services.observe import Seen

COLUMNS = (
    "state", "waiting_on", "attempt", "tries", "backlog", "tasks_made", "tasks_ended",
    "tasks_failed", "exit_code", "reason", "start_time", "completion_time",
)  # fmt: skip
ACTIVE = (NodeState.PRERUN, NodeState.RUNNING, NodeState.POSTRUN)
FINAL = [state.value for state in NODE_FINAL]
CHUNK = 500


@dataclass(slots=True)
class Run:
    """One workflow while it is moved on; written at the end, by :meth:`save`."""

    job: Job
    told: list[events.Event]
    at: datetime
    change: JobChange = field(default_factory=JobChange)
    touched: dict[int, WorkflowNode] = field(default_factory=dict)
    done: list[WorkflowNode] = field(default_factory=list)
    failed: list[WorkflowNode] = field(default_factory=list)
    ready: list[WorkflowNode] = field(default_factory=list)
    open_categories: set[str] = field(default_factory=set)

    def move(self, node: WorkflowNode, after: NodeState, message: str = "") -> None:
        """Move a node, tell of it, and count it in its job."""
        before = NodeState(node.state)
        self.touched[node.pk] = node
        if before is after:
            return
        assert node_can_move(before, after), f"{before} → {after}"
        node.state = after.value
        deltas = self.change.deltas
        deltas[_counter(before)] -= 1
        deltas[_counter(after)] += 1
        if after in ACTIVE and node.start_time is None:
            node.start_time = self.at
            self.change.see(self.at, None)
        if after in NODE_FINAL:
            node.completion_time = self.at
            self.change.see(None, self.at)
            self.open_categories.add(node.category)
        self.told.append(node_event(self.job, node, before, after, self.at, message))

    def want(self, node: WorkflowNode, tasks: int) -> None:
        """Ask for the tasks of the node's present phase."""
        self.touched[node.pk] = node
        self.change.deltas["backlog"] += tasks - node.backlog
        node.backlog = tasks
        node.tasks_made = node.tasks_ended = node.tasks_failed = 0

    def drop(self, node: WorkflowNode) -> None:
        """Ask for nothing more of a node."""
        self.change.deltas["backlog"] -= node.backlog
        node.backlog = 0

    def save(self) -> JobChange:
        """Write the nodes, and return what happened to the job."""
        rows = [
            (*(getattr(node, name) for name in COLUMNS), node.pk) for node in self.touched.values()
        ]
        update_many(WorkflowNode, COLUMNS, rows)
        self.touched.clear()
        return self.change


def begin(job: Job, told: list[events.Event]) -> JobChange:
    """Let the nodes go that wait for nothing, at the start of an attempt."""
    run = Run(job, told, timezone.now())
    run.ready = list(_ready(job))
    _cascade(run)
    return run.save()


def tasks_changed(job: Job, tasks: Sequence[Seen], told: list[events.Event]) -> JobChange:
    """Carry the changed tasks of a locked workflow over to its nodes, and what follows."""
    run = Run(job, told, max((t.completion_time for t in tasks if t.completion_time),
                             default=timezone.now()))  # fmt: skip
    nodes = WorkflowNode.objects.in_bulk({task.node_id for task in tasks if task.node_id})
    ended: set[int] = set()
    for task in tasks:
        node = nodes.get(task.node_id or 0)
        if node is None or task.attempt != node.attempt:
            continue
        run.touched[node.pk] = node
        if task.state is TaskState.QUEUED:
            node.backlog += 1
            run.change.deltas["backlog"] += 1
        elif task.state.is_final and not task.was.is_final:
            node.tasks_ended += 1
            ended.add(node.pk)
            if task.state is not TaskState.COMPLETE:
                node.tasks_failed += 1
                node.exit_code = task.exit_code
                node.reason = task.reason
            elif node.tasks_failed == 0:
                node.exit_code = task.exit_code
    for pk in ended:
        _phase_progress(run, nodes[pk])
    _cascade(run)
    return run.save()


def stop(job: Job, told: list[events.Event]) -> JobChange:
    """Abort every node that has nothing running; the others end with their tasks."""
    run = Run(job, told, timezone.now())
    _abort_waiting(run)
    return run.save()


def fail_all(job: Job, told: list[events.Event], reason: str) -> JobChange:
    """Fail a workflow before any of its nodes began."""
    run = Run(job, told, timezone.now())
    nodes = WorkflowNode.objects.filter(workflow_id=job.pk).exclude(state__in=FINAL)
    for node in list(nodes):
        node.reason = reason
        is_ready = node.state == NodeState.READY
        run.move(node, NodeState.FAILED if is_ready else NodeState.FUTILE, reason)
    return run.save()


def _counter(state: NodeState) -> str:
    return {
        NodeState.PRERUN: "tasks_running",
        NodeState.RUNNING: "tasks_running",
        NodeState.POSTRUN: "tasks_running",
        NodeState.DONE: "tasks_complete",
        NodeState.FAILED: "tasks_error",
        NodeState.FUTILE: "tasks_error",
        NodeState.ABORTED: "tasks_aborted",
    }.get(state, "")


def _cascade(run: Run) -> None:
    """Follow what ended to what may start, until nothing more follows by itself."""
    if Wanted(run.job.wanted) in (Wanted.STOP, Wanted.DELETE) or run.job.spec.get("abort"):
        run.save()
        _abort_waiting(run)
        return
    while True:
        done, run.done = run.done, []
        failed, run.failed = run.failed, []
        run.save()
        if failed:
            make_futile(run, failed)
        if done:
            release_children(run, done)
        _start_ready(run)
        if not run.done and not run.failed:
            return


def _phase_progress(run: Run, node: WorkflowNode) -> None:
    """Go on with a node some of whose tasks have just ended."""
    state = NodeState(node.state)
    if node.tasks_failed and node.backlog:
        _drop_backlog(run, node)
    if node.tasks_ended < node.tasks_made or node.backlog:
        return
    if Wanted(run.job.wanted) in (Wanted.STOP, Wanted.DELETE) or run.job.spec.get("abort"):
        run.move(node, NodeState.ABORTED)
        return
    failed = bool(node.tasks_failed)
    if state is NodeState.PRERUN:
        if node.pre_skip is not None and node.exit_code == node.pre_skip:
            _end(run, node, NodeState.DONE, "The PRE script says that it can be skipped.")
        elif failed:
            _fail(run, node, f"The PRE script failed: {node.reason}")
        else:
            _start_job(run, node)
    elif state is NodeState.POSTRUN:
        if failed:
            _fail(run, node, f"The POST script failed: {node.reason}")
        else:
            _succeed(run, node)
    elif node.post_script:
        _enter_post(run, node)
    elif failed:
        _fail(run, node, node.reason)
    else:
        _succeed(run, node)


def _drop_backlog(run: Run, node: WorkflowNode) -> None:
    """One failed process fails the node: those that have not started never will."""
    reason = "Another process of the node failed." if node.tasks_failed else ""
    queued = Task.objects.filter(
        node_id=node.pk, attempt=node.attempt, state=TaskState.QUEUED.value
    )
    dropped = list(queued.values_list("pk", flat=True))
    queued.update(state=TaskState.ABORTED.value, completion_time=run.at, reason=reason)
    run.told += [
        events.Event(
            run.job.pk, pk, node.pk, node.attempt, EventKind.TASK.value,
            TaskState.QUEUED.value, TaskState.ABORTED.value, run.at, reason,
        )
        for pk in dropped
    ]  # fmt: skip
    node.tasks_ended += len(dropped)
    run.change.deltas["backlog"] -= node.backlog
    node.backlog = 0


def _start(run: Run, node: WorkflowNode) -> None:
    """Begin a try of a node."""
    node.attempt += 1
    node.exit_code, node.reason = None, ""
    if node.pre_script:
        run.move(node, NodeState.PRERUN)
        run.want(node, 1)
    else:
        _start_job(run, node)


def _start_job(run: Run, node: WorkflowNode) -> None:
    if not node.noop:
        run.move(node, NodeState.READY)
        run.want(node, node.num_jobs)
    elif node.post_script:
        _enter_post(run, node)
    else:
        node.exit_code = 0
        _succeed(run, node)


def _enter_post(run: Run, node: WorkflowNode) -> None:
    if node.exit_code is None:
        node.exit_code = 0
    run.move(node, NodeState.POSTRUN)
    run.want(node, 1)


def _succeed(run: Run, node: WorkflowNode) -> None:
    if aborts(run, node):
        return
    _end(run, node, NodeState.DONE)


def _fail(run: Run, node: WorkflowNode, reason: str) -> None:
    node.reason = reason
    if aborts(run, node):
        return
    unless = node.retry_unless_exit_value
    if node.tries < node.retry and (unless is None or node.exit_code != unless):
        node.tries += 1
        run.move(node, NodeState.READY, f"Retry {node.tries} of {node.retry}: {reason}")
        _start(run, node)
        return
    run.change.tell("node-failed", f"Node “{node.name}” failed: {reason}",
                    "Mend it and resubmit: what is done stays done.")  # fmt: skip
    _end(run, node, NodeState.FAILED, reason)


def _end(run: Run, node: WorkflowNode, state: NodeState, message: str = "") -> None:
    run.drop(node)
    if state is NodeState.DONE:
        node.tasks_made = node.tasks_ended = node.num_jobs
    run.move(node, state, message)
    (run.done if state is NodeState.DONE else run.failed).append(node)


def aborts(run: Run, node: WorkflowNode) -> bool:
    """Whether the node's exit value ends the whole workflow (DAGMan's ABORT-DAG-ON)."""
    if node.abort_dag_on is None or node.exit_code != node.abort_dag_on:
        return False
    returned = node.abort_dag_on_return_value
    returned = node.exit_code if returned is None else returned
    run.job.spec["abort"] = {"node": node.name, "return": returned}
    Job.objects.filter(pk=run.job.pk).update(spec=run.job.spec, due_at=run.at)
    run.job.due_at = run.at
    run.change.tell(
        "abort-dag-on",
        f"Node “{node.name}” ended with {node.exit_code}, which ends the workflow.",
        "",
    )
    run.drop(node)
    run.move(node, NodeState.DONE if node.exit_code == 0 else NodeState.FAILED)
    return True


def release_children(run: Run, done: Sequence[WorkflowNode]) -> None:
    """Count parents down; children that wait for nobody any more become ready."""
    fewer: Counter[int] = Counter()
    for chunk in _chunks([node.pk for node in done]):
        edges = WorkflowEdge.objects.filter(parent_id__in=chunk)
        fewer.update(edges.values_list("child_id", flat=True))
    by_count: dict[int, list[int]] = {}
    for child, count in fewer.items():
        by_count.setdefault(count, []).append(child)
    for count, children in by_count.items():
        for chunk in _chunks(children):
            WorkflowNode.objects.filter(pk__in=chunk).update(waiting_on=F("waiting_on") - count)
    for chunk in _chunks(list(fewer)):
        free = WorkflowNode.objects.filter(
            pk__in=chunk, waiting_on=0, state=NodeState.WAITING.value
        )
        for node in free:
            run.move(node, NodeState.READY)
            run.ready.append(node)
    run.save()


def make_futile(run: Run, failed: Sequence[WorkflowNode]) -> None:
    """Give up what comes after a failed node; each node is visited once in all."""
    front = [node.pk for node in failed]
    while front:
        following: list[int] = []
        for chunk in _chunks(front):
            waiting = WorkflowNode.objects.filter(
                edges_in__parent_id__in=chunk, state=NodeState.WAITING.value
            ).distinct()
            for node in waiting:
                node.reason = "A node before it failed."
                run.move(node, NodeState.FUTILE, node.reason)
                following.append(node.pk)
            run.save()
        front = following


def _start_ready(run: Run) -> None:
    """Start nodes that have become ready, the most important first; of a limited category only as
    many as there is room for, whenever one became ready or another one ended."""
    most: dict[str, int] = run.job.attributes.get("max_jobs") or {}
    ready, run.ready = run.ready, []
    ended, run.open_categories = run.open_categories, set()
    for node in sorted(ready, key=lambda each: (-each.priority, each.pk)):
        if node.category not in most:
            _start(run, node)
    for category in sorted((ended | {node.category for node in ready}) & set(most)):
        run.save()
        room = int(most[category]) - _active(run.job, category)
        if room > 0:
            waiting = _ready(run.job).filter(category=category).order_by("-priority", "id")
            for node in list(waiting[:room]):
                _start(run, node)


def _ready(job: Job) -> QuerySet[WorkflowNode]:
    """Nodes that could start and have not."""
    return WorkflowNode.objects.filter(workflow_id=job.pk, state=NodeState.READY.value, backlog=0)


def _active(job: Job, category: str) -> int:
    """How many nodes of a category have begun and not ended."""
    begun = WorkflowNode.objects.filter(workflow_id=job.pk, category=category)
    under_way = begun.filter(state__in=[state.value for state in ACTIVE]).count()
    return under_way + begun.filter(state=NodeState.READY.value, backlog__gt=0).count()


def _abort_waiting(run: Run) -> None:
    """Abort the nodes that have nothing running; what is queued is taken away."""
    open_nodes = WorkflowNode.objects.filter(workflow_id=run.job.pk).exclude(state__in=FINAL)
    for node in list(open_nodes):
        if node.backlog:
            _drop_backlog(run, node)
            run.touched[node.pk] = node
        if node.tasks_ended >= node.tasks_made:
            run.move(node, NodeState.ABORTED)
    run.save()


def node_event(
    job: Job, node: WorkflowNode, before: NodeState, after: NodeState, at: datetime, message: str
) -> events.Event:
    """An event about a node."""
    return events.Event(
        job.pk, None, node.pk, job.attempt, EventKind.NODE.value, before.value, after.value, at,
        message[: events.MESSAGE_LENGTH],
    )  # fmt: skip


def _chunks(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]

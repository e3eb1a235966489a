"""Workflows that their engine runs as a whole: what of them is submitted, and what it tells means.

Nodes move by what the engine tells of them; tasks only fill in what ran where. The task of the run
itself (role DAG) ends last, and with it whatever has not ended by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from django.db.models import F, QuerySet
from django.utils import timezone

from oceanid.dags import NodeObservation
from oceanid.models import EventKind, Job, Task, TaskRole, WorkflowNode
from oceanid.services import events, workflow_run
from oceanid.services.job_update import AT_WORK, JobChange, apply_changes, node_waits
from oceanid.services.task_specs import Wanting
from oceanid.services.workflow_run import FINAL, Run
from oceanid.states import NodeState, TaskState, Wanted, node_can_move

if TYPE_CHECKING:
    from oceanid.services.observe import Seen

_PHASES: Final = {
    NodeState.WAITING: 0,
    NodeState.READY: 1,
    NodeState.PRERUN: 2,
    NodeState.RUNNING: 3,
    NodeState.POSTRUN: 4,
}
_OVER: Final = 9
_COUNTED: Final = {TaskState.HELD: "tasks_held", TaskState.PAUSED: "tasks_paused"}


def is_one(job: Job) -> bool:
    """Whether its engine runs the job as one workflow."""
    return bool(job.spec.get("dag"))


def begin(job: Job) -> JobChange:
    """Ask for a workflow to be submitted, if anything of it is to be run."""
    change = JobChange()
    change.deltas["backlog"] = int(_left(job).exists())
    return change


def gather(job: Job) -> tuple[list[Wanting], list[int]]:
    """All that a workflow's submission consists of, in order, and its tasks that were made before.

    Must be called in a transaction that holds the job.
    """
    known = Task.objects.filter(job_id=job.pk, state=TaskState.QUEUED.value).order_by("id")
    made = list(known.values_list("id", flat=True))
    nodes = _left(job)
    if not made:
        nodes.update(attempt=F("attempt") + 1)
        nodes.filter(noop=False).update(tasks_made=F("num_jobs"), tasks_ended=0, tasks_failed=0)
    wanting = [
        Wanting(job, node, TaskRole.JOB, node.attempt, index)
        for node in nodes.order_by("id")
        if not node.noop
        for index in range(node.num_jobs)
    ]
    wanting.append(Wanting(job, None, TaskRole.DAG, job.attempt, 0))
    return wanting, made


def stop(job: Job, told: list[events.Event]) -> JobChange:
    """Abort what was not submitted; the rest ends as its engine tells."""
    run = Run(job, told, timezone.now())
    if job.backlog:
        queued = Task.objects.filter(job_id=job.pk, state=TaskState.QUEUED.value)
        told += [
            events.Event(
                job.pk, pk, node, attempt, EventKind.TASK.value, TaskState.QUEUED.value,
                TaskState.ABORTED.value, run.at,
            )
            for pk, node, attempt in queued.values_list("pk", "node_id", "attempt")
        ]  # fmt: skip
        queued.update(state=TaskState.ABORTED.value, completion_time=run.at)
        run.change.deltas["backlog"] -= job.backlog
        _end_all(run, NodeState.ABORTED, "")
    return run.save()


def observe(seen: Sequence[NodeObservation]) -> bool:
    """Apply what an engine saw of nodes, in order; what is older than what is known of a node
    changes nothing. True when anything changed."""
    runs = Task.objects.filter(batch_id__in={each.batch for each in seen}, role=TaskRole.DAG)
    of_batch = {
        batch: (job, attempt)
        for batch, job, attempt in runs.values_list("batch_id", "job_id", "attempt")
    }
    of_job: defaultdict[tuple[int, int], list[NodeObservation]] = defaultdict(list)
    for each in seen:
        if each.batch in of_batch:
            of_job[of_batch[each.batch]].append(each)
    pks = {pk for pk, _ in of_job}
    jobs = {
        job.pk: job for job in Job.objects.select_for_update().filter(pk__in=pks).order_by("pk")
    }
    told: list[events.Event] = []
    changes = {
        pk: _observe(jobs[pk], some, told)
        for (pk, attempt), some in of_job.items()
        if pk in jobs and jobs[pk].attempt == attempt
    }
    if not told:
        return False
    apply_changes(jobs, changes, told)
    events.write(told)
    return True


def tasks_changed(job: Job, tasks: Sequence[Seen], told: list[events.Event]) -> JobChange:
    """Carry tasks of a locked workflow over to it: those that changed, and those that wait."""
    at = max((t.completion_time for t in tasks if t.completion_time), default=timezone.now())
    run = Run(job, told, at)
    nodes = WorkflowNode.objects.in_bulk({task.node_id for task in tasks if task.node_id})
    _wait(run, nodes, [task for task in tasks if not task.changed])
    tasks = [task for task in tasks if task.changed]
    run.change.rests = any(task.was.value in AT_WORK for task in tasks)
    for task in tasks:
        for state, sign in ((task.was, -1), (task.state, 1)):
            if state in _COUNTED:
                run.change.deltas[_COUNTED[state]] += sign
        node = nodes.get(task.node_id or 0)
        if node is not None:
            _task_of(run, node, task)
    for task in tasks:
        if task.role == TaskRole.DAG:
            _run_itself(run, task)
    return run.save()


def _wait(run: Run, nodes: Mapping[int, WorkflowNode], tasks: Sequence[Seen]) -> None:
    """Tell why a node waits while none of its tasks runs."""
    waiting = {task.node_id: task for task in tasks if task.node_id in nodes}
    if not waiting:
        return
    at_work = Task.objects.filter(node_id__in=list(waiting), state__in=AT_WORK)
    for pk in waiting.keys() - set(at_work.values_list("node_id", flat=True)):
        node, task = nodes[pk or 0], waiting[pk]
        if node.state == NodeState.RUNNING and task.attempt == node.attempt:
            node.reason = task.reason
            run.touched[node.pk] = node
            told = node_waits(node.name, task.reason)
            run.change.waits = (task.reason_code, told, task.hint)


def _task_of(run: Run, node: WorkflowNode, task: Seen) -> None:
    if task.state is TaskState.RUNNING and node.state == NodeState.RUNNING and node.reason:
        node.reason = ""  # why it waited
        run.touched[node.pk] = node
    if task.state is TaskState.HELD:
        run.change.tell(task.reason_code, f"Node “{node.name}”: {task.reason}", task.hint)
    if task.state.is_final and not task.was.is_final and task.attempt == node.attempt:
        run.touched[node.pk] = node
        node.tasks_ended += 1
        node.tasks_failed += task.state is TaskState.ERROR


def _run_itself(run: Run, task: Seen) -> None:
    """What became of the workflow's run as a whole."""
    if task.state is TaskState.QUEUED:
        run.change.deltas["backlog"] += 1
    elif task.state is TaskState.HELD:
        run.change.tell(
            "dagman-held",
            f"DAGMan, which runs the workflow, is held: {task.reason}",
            task.hint or "Resume the workflow when the cause is mended; it goes on where it was.",
        )
    elif task.state.is_final:
        run.change.see(None, task.completion_time)
        _close(run, task)


def _close(run: Run, task: Seen) -> None:
    """The run is over: nodes that were not told to have ended never will be."""
    run.save()
    is_asked = is_ending(run.job)
    if not _left(run.job).exists():
        return
    if task.state is TaskState.COMPLETE and not is_asked:
        # All of it succeeded, though of some nodes no word came.
        _end_all(run, NodeState.DONE, "")
    elif task.reason_code == "refused":
        run.change.tell("refused", task.reason, task.hint)
        _end_all(run, NodeState.FAILED, task.reason)
    elif task.state is TaskState.ABORTED or is_asked:
        if not is_asked:
            run.change.tell(
                "dagman-removed", f"DAGMan, which ran the workflow, is gone: {task.reason}",
                "Resubmit it: what is done stays done.",
            )  # fmt: skip
        _end_all(run, NodeState.ABORTED, "")
    else:
        reason = f"DAGMan ended before the workflow did: {task.reason or 'it did not say why.'}"
        hint = "See logs/workflow.dag.dagman.out in the job's files, and resubmit it."
        run.change.tell("dagman-failed", reason, hint)
        _end_all(run, NodeState.FAILED, reason)


def _end_all(run: Run, state: NodeState, reason: str) -> None:
    """End every node that has not; those that never began are futile when the others fail."""
    for node in _left(run.job):
        after = state
        if state is NodeState.FAILED and node.state == NodeState.WAITING:
            after = NodeState.FUTILE
        if state is NodeState.DONE and node.state == NodeState.WAITING:
            run.move(node, NodeState.READY)
        node.reason = node.reason or reason
        run.move(node, after, reason)
    run.save()


def _observe(job: Job, seen: Iterable[NodeObservation], told: list[events.Event]) -> JobChange:
    run = Run(job, told, timezone.now())
    some = list(seen)
    nodes = WorkflowNode.objects.filter(workflow_id=job.pk).in_bulk(
        [int(each.node) for each in some]
    )
    for each in some:
        node = nodes.get(int(each.node))
        if node is not None and _is_news(node, each):
            run.at = each.at
            _move(run, node, each)
    run.save()
    if not is_ending(job):
        failed, run.failed = run.failed, []
        done, run.done = run.done, []
        if failed:
            workflow_run.make_futile(run, failed)
        if done:
            workflow_run.release_children(run, done)
    return run.save()


def _is_news(node: WorkflowNode, seen: NodeObservation) -> bool:
    before = NodeState(node.state)
    if before.is_final:
        return False
    phase = _OVER if seen.state.is_final else _PHASES[seen.state]
    return (seen.tries, phase) > (node.tries, _PHASES[before])


def _move(run: Run, node: WorkflowNode, seen: NodeObservation) -> None:
    before = NodeState(node.state)
    node.exit_code, node.reason = seen.exit_code, seen.reason
    message = seen.reason
    if seen.tries > node.tries:
        node.tries = seen.tries
        message = f"Retry {seen.tries} of {node.retry}: {seen.reason}"
        at_engine = Task.objects.filter(node_id=node.pk, attempt=node.attempt)
        at_engine.update(tries=seen.tries)
    if not node_can_move(before, seen.state) or before is NodeState.WAITING:
        run.move(node, NodeState.READY)
    if seen.state.is_final and workflow_run.aborts(run, node):
        return
    if seen.state is NodeState.FAILED:
        run.change.tell("node-failed", f"Node “{node.name}” failed: {seen.reason}",
                        "Mend it and resubmit: what is done stays done.")  # fmt: skip
        run.failed.append(node)
    elif seen.state is NodeState.DONE:
        run.done.append(node)
    run.move(node, seen.state, message)


def is_ending(job: Job) -> bool:
    """Whether a workflow is to end before it is done."""
    return Wanted(job.wanted) in (Wanted.STOP, Wanted.DELETE) or bool(job.spec.get("abort"))


def _left(job: Job) -> QuerySet[WorkflowNode]:
    """The nodes that have not ended."""
    return WorkflowNode.objects.filter(workflow_id=job.pk).exclude(state__in=FINAL)

"""Chooses what goes to an engine next, and commits it as batches before it is submitted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from oceanid import conf
from oceanid.models import Batch, EventKind, Job, Task, TaskRole, WorkflowNode
from oceanid.services import dag_run, events, tallies, task_specs
from oceanid.services.bulk import insert_many, update_many
from oceanid.services.job_update import JobChange, apply_changes
from oceanid.services.leases import Hold, guard
from oceanid.services.room import Room
from oceanid.services.task_specs import Wanting
from oceanid.services.workflow_run import node_event
from oceanid.specs import BatchItem, BatchSpec, Capacity, Resources
from oceanid.states import BatchState, JobState, NodeState, TaskState, Wanted

TASK_COLUMNS = ("job_id", "node_id", "role", "attempt", "index", "tries", "state", "batch_id",
                "proc", "host", "reason_code", "reason", "hint")  # fmt: skip
MOST_BATCHES = 64
MOST_QUEUED_BATCHES = 1
HEAD = 200
HEAD_FOR_QUEUE = 2000


@dataclass(slots=True)
class Draft:
    """A batch that is being put together."""

    user_id: Any
    resources: Resources
    batch: uuid.UUID = field(default_factory=uuid.uuid4)
    wanting: list[Wanting] = field(default_factory=list)


def prepare(
    hold: Hold,
    scheduler_id: int,
    capacity: Capacity,
    chunk_of: Callable[[Job], int] | None,
) -> list[tuple[BatchSpec, Job]]:
    """Fill an engine's free room with batches, in fair order, and commit them.

    The user who holds the fewest processors comes first; within a user the job of the highest
    priority, then the oldest. A job that does not fit now keeps its place: after it, nothing
    of that user starts.

    Args:
        hold: The scheduler's lease.
        scheduler_id: The scheduler.
        capacity: What its engine can run at once.
        chunk_of: How many tasks of a job are worth one batch; None for an engine with a queue
            of its own, which is given as many at once as it takes.

    Returns:
        What to submit, each with its first job; each batch is committed as PREPARED with its
        manifest.

    Raises:
        LeaseLost: Another supervisor drives this scheduler; nothing was written.
    """
    with transaction.atomic():
        guard(hold)
        room = Room.now(scheduler_id, capacity)
        chooser = _Chooser(scheduler_id, room, chunk_of)
        drafts: list[Draft] = []
        most = MOST_BATCHES if chunk_of is not None else MOST_QUEUED_BATCHES
        while len(drafts) < most and room.cpus > 0:
            draft = chooser.next_batch()
            if draft is None:
                break
            drafts.append(draft)
        if drafts or chooser.told:
            chooser.save(drafts)
        else:
            # Nothing was written, so nobody need wake up for it.
            transaction.set_rollback(True)
    return [
        (batch_spec(draft.batch, draft.wanting, draft.resources), draft.wanting[0].job)
        for draft in drafts
    ]


class _Chooser:
    """Takes tasks from jobs in fair order; what it takes is written once, at the end."""

    def __init__(
        self, scheduler_id: int, room: Room, chunk_of: Callable[[Job], int] | None
    ) -> None:
        self.scheduler_id = scheduler_id
        self.room = room
        self.chunk_of = chunk_of
        self.now = timezone.now()
        self.limit = conf.current().limits.running_tasks
        self.users = set(_users_waiting(scheduler_id))
        self.jobs: dict[int, Job] = {}
        self.heads: dict[Any, list[Job]] = {}
        self.nodes: dict[int, WorkflowNode] = {}
        self.changes: dict[int, JobChange] = {}
        self.told: list[events.Event] = []
        self.made: list[tuple[object, ...]] = []
        self.requeued: list[tuple[object, ...]] = []
        self.held: set[int] = set()

    def next_batch(self) -> Draft | None:
        """The next batch in fair order, or None when nothing fits."""
        while self.users:
            user = min(self.users, key=lambda each: (self.room.per_user[each], each))
            if self.limit and self.room.per_user[user] >= self.limit:
                self.users.discard(user)
                continue
            draft = self._batch_of(user)
            if draft is not None:
                return draft
            self.users.discard(user)
        return None

    def save(self, drafts: list[Draft]) -> None:
        """Write the batches, their tasks, and what it means for jobs and nodes."""
        Batch.objects.bulk_create(
            Batch(
                uuid=draft.batch,
                scheduler_id=self.scheduler_id,
                user_id=draft.user_id,
                state=BatchState.PREPARED.value,
                created_at=self.now,
                size=len(draft.wanting),
                open_tasks=len(draft.wanting),
                cpus=draft.resources.cpus,
                memory_mib=draft.resources.memory_mib or 0,
                gpus=draft.resources.gpus,
            )
            for draft in drafts
        )
        insert_many(Task, TASK_COLUMNS, self.made)
        update_many(Task, ("state", "batch_id", "proc"), self.requeued)
        update_many(
            WorkflowNode,
            ("state", "backlog", "tasks_made", "start_time"),
            [(n.state, n.backlog, n.tasks_made, n.start_time, n.pk) for n in self.nodes.values()],
        )
        apply_changes(self.jobs, self.changes, self.told)
        events.write(self.told)
        tallies.submitted(
            self.scheduler_id, ((draft.user_id, len(draft.wanting)) for draft in drafts)
        )

    def _batch_of(self, user: Any) -> Draft | None:
        draft: Draft | None = None
        most = self.room.capacity.max_batch
        # A transaction that writes for long keeps others from writing; and what is committed
        # is submitted while the next is put together.
        jobs = HEAD_FOR_QUEUE
        for job, node in self._waiting(user):
            if dag_run.is_one(job):
                if draft is None:
                    return self._whole(job)
                break
            wanted = task_specs.resources(job, node)
            if job.pk in self.held:
                continue
            if not self.room.could_fit(wanted):
                self._hold_back(job, wanted)
                continue
            if draft is None:
                if not self.room.fits(wanted):
                    return None
                draft = Draft(user, wanted)
                if self.chunk_of is not None:
                    most = max(1, min(most, self.chunk_of(job), self._share(user, wanted)))
            elif wanted != draft.resources or len(draft.wanting) >= most:
                break
            self._take(job, node, draft, most - len(draft.wanting))
            jobs -= 1
            if jobs <= 0:
                break
        if draft is None or not draft.wanting:
            return None
        self.room.take(user, draft.resources)
        return draft

    def _whole(self, job: Job) -> Draft:
        """A whole workflow as one batch."""
        draft = Draft(job.user_id, task_specs.SCRIPT_RESOURCES)
        draft.wanting, made = dag_run.gather(job)
        for proc, task_id in enumerate(made):
            each = draft.wanting[proc]
            self.requeued.append((TaskState.SUBMITTED.value, draft.batch, proc, task_id))
            self.told.append(
                events.Event(
                    job.pk, task_id, each.node.pk if each.node else None, each.attempt,
                    EventKind.TASK.value, TaskState.QUEUED.value, TaskState.SUBMITTED.value,
                    self.now,
                )
            )  # fmt: skip
        for proc, each in enumerate(draft.wanting if not made else ()):
            self.made.append(
                (job.pk, each.node.pk if each.node else None, each.role.value, each.attempt,
                 each.index, 0, TaskState.SUBMITTED.value, draft.batch, proc, "", "", "", "")
            )  # fmt: skip
        self.changes.setdefault(job.pk, JobChange()).deltas["backlog"] -= self._backlog(job)
        self.room.take(job.user_id, draft.resources)
        return draft

    def _hold_back(self, job: Job, wanted: Resources) -> None:
        """Hold a job that is larger than the whole engine, and tell why."""
        capacity = self.room.capacity
        before, job.state = job.state, JobState.HELD.value
        job.wanted, job.reason_code = Wanted.PAUSE.value, "does-not-fit"
        job.status_message = (
            f"It asks for {wanted.cpus} CPUs, {wanted.memory_mib or 0} MiB of memory and"
            f" {wanted.gpus} GPUs; this scheduler has {capacity.cpus} CPUs,"
            f" {capacity.memory_mib} MiB and {capacity.gpus} GPUs."
        )
        job.hint = "Stop it, ask for less and resubmit it, or choose a larger scheduler."
        names = ("state", "wanted", "reason_code", "status_message", "hint")
        values = {name: getattr(job, name) for name in names}
        Job.objects.filter(pk=job.pk).update(version=F("version") + 1, **values)
        job.version += 1
        self.held.add(job.pk)
        self.told.append(
            events.job_event(
                job.pk,
                job.attempt,
                EventKind.STATE,
                self.now,
                before=before,
                after=job.state,
                message=job.status_message,
            )
        )

    def _waiting(self, user: Any) -> Iterator[tuple[Job, WorkflowNode | None]]:
        """The user's jobs, and of workflows their nodes, that have something to start."""
        while True:
            head = self.heads.setdefault(user, [])
            for job in head:
                if job.pk in self.held or self._backlog(job) <= 0:
                    continue
                if job.spec.get("workflow") and not dag_run.is_one(job):
                    yield from ((job, node) for node in self._nodes_of(job))
                else:
                    yield job, None
            self.heads[user] = self._more(user)
            if not self.heads[user]:
                return

    def _more(self, user: Any) -> list[Job]:
        waiting: QuerySet[Job] = Job.objects.filter(
            scheduler_id=self.scheduler_id, user_id=user, backlog__gt=0, wanted=Wanted.RUN.value
        )
        known = [job.pk for job in self.jobs.values() if job.user_id == user]
        more = waiting.exclude(pk__in=known).order_by("-priority", "id").select_for_update()
        found = list(more[: HEAD if self.chunk_of is not None else HEAD_FOR_QUEUE])
        self.jobs |= {job.pk: job for job in found}
        return found

    def _nodes_of(self, job: Job) -> Iterator[WorkflowNode]:
        waiting = WorkflowNode.objects.filter(workflow_id=job.pk, backlog__gt=0)
        for node in waiting.order_by("-priority", "id")[: self.room.capacity.max_batch]:
            known = self.nodes.setdefault(node.pk, node)
            if known.backlog > 0:
                yield known

    def _take(self, job: Job, node: WorkflowNode | None, draft: Draft, most: int) -> None:
        """Take up to ``most`` tasks of a job or node: those that came back, then new ones."""
        role = _role(node)
        if node is None:
            backlog, attempt = self._backlog(job), job.attempt
            made, total = job.tasks_made + self._delta(job, "tasks_made"), job.num_jobs
        else:
            backlog, attempt, made = node.backlog, node.attempt, node.tasks_made
            total = node.num_jobs if role is TaskRole.JOB else 1
        count = min(most, backlog)
        returned = self._returned(job, node, role, attempt, min(count, backlog - (total - made)))
        fresh = range(made, made + min(count - len(returned), total - made))
        for task_id, index in returned:
            self.requeued.append(("SUB", draft.batch, len(draft.wanting), task_id))
            self.told.append(
                events.Event(
                    job.pk, task_id, node.pk if node else None, attempt, EventKind.TASK.value,
                    TaskState.QUEUED.value, TaskState.SUBMITTED.value, self.now,
                )
            )  # fmt: skip
            draft.wanting.append(Wanting(job, node, role, attempt, index))
        for index in fresh:
            self.made.append(
                (job.pk, node.pk if node else None, role.value, attempt, index, 0, "SUB",
                 draft.batch, len(draft.wanting), "", "", "", "")
            )  # fmt: skip
            draft.wanting.append(Wanting(job, node, role, attempt, index))
        taken = len(returned) + len(fresh)
        change = self.changes.setdefault(job.pk, JobChange())
        change.deltas["backlog"] -= taken
        if node is None:
            change.deltas["tasks_made"] += len(fresh)
            change.deltas["tasks_submitted"] += taken
        else:
            node.backlog -= taken
            node.tasks_made += len(fresh)
            self._start_node(job, node, change)

    def _returned(
        self, job: Job, node: WorkflowNode | None, role: TaskRole, attempt: int, count: int
    ) -> list[tuple[int, int]]:
        """Tasks that were made before and wait again, as (id, index)."""
        if count <= 0:
            return []
        waiting = Task.objects.filter(
            job_id=job.pk,
            node=node,
            attempt=attempt,
            role=role.value,
            state=TaskState.QUEUED.value,
        ).exclude(pk__in=[row[-1] for row in self.requeued])
        return list(waiting.order_by("id").values_list("id", "index")[:count])

    def _start_node(self, job: Job, node: WorkflowNode, change: JobChange) -> None:
        if node.state != NodeState.READY:
            return
        node.state = NodeState.RUNNING.value
        node.start_time = node.start_time or self.now
        change.deltas["tasks_running"] += 1
        change.see(self.now, None)
        self.told.append(node_event(job, node, NodeState.READY, NodeState.RUNNING, self.now, ""))

    def _share(self, user: Any, wanted: Resources) -> int:
        """What each free slot gets when all that waits is dealt out evenly."""
        waiting = sum(max(0, self._backlog(job)) for job in self.heads[user])
        return -(-waiting // max(1, self.room.cpus // max(1, wanted.cpus)))

    def _backlog(self, job: Job) -> int:
        return job.backlog + self._delta(job, "backlog")

    def _delta(self, job: Job, counter: str) -> int:
        change = self.changes.get(job.pk)
        return change.deltas[counter] if change else 0


def batch_spec(batch: uuid.UUID, wanting: list[Wanting], resources: Resources) -> BatchSpec:
    """What an engine is given: what is wanted, numbered from 0."""
    return _spec(batch, list(enumerate(wanting)), resources)


def _spec(batch: uuid.UUID, numbered: list[tuple[int, Wanting]], resources: Resources) -> BatchSpec:
    items = tuple(BatchItem(proc, each.key, task_specs.task_spec(each)) for proc, each in numbered)
    label = numbered[0][1].job.name[:64] if numbered else ""
    is_dag = bool(numbered) and numbered[-1][1].role is TaskRole.DAG
    dag = task_specs.dag([each for _, each in numbered]) if is_dag else None
    return BatchSpec(batch, items, resources, label=label, dag=dag)


def load(batch: uuid.UUID) -> BatchSpec:
    """Build a committed batch's specification again from its manifest."""
    tasks = Task.objects.filter(batch_id=batch).select_related("job", "node").order_by("proc")
    numbered = [
        (
            task.proc or 0,
            Wanting(task.job, task.node, TaskRole(task.role), task.attempt, task.index),
        )
        for task in tasks
    ]
    first = numbered[0][1] if numbered else None
    is_dag = bool(numbered) and numbered[-1][1].role is TaskRole.DAG
    if first is None or is_dag:
        return _spec(batch, numbered, task_specs.SCRIPT_RESOURCES if is_dag else Resources())
    wanted = task_specs.resources(first.job, first.node)
    return _spec(batch, numbered, wanted)


def _users_waiting(scheduler_id: int) -> Iterator[Any]:
    """Users with something to start, found by hops along the index, not by reading all of it."""
    waiting = Job.objects.filter(scheduler_id=scheduler_id, backlog__gt=0, wanted="RUN")
    further = waiting
    while True:
        user = further.order_by("user_id").values_list("user_id", flat=True).first()
        if user is None:
            return
        yield user
        further = waiting.filter(user_id__gt=user)


def _role(node: WorkflowNode | None) -> TaskRole:
    if node is None:
        return TaskRole.JOB
    return {"PRE": TaskRole.PRE, "PST": TaskRole.POST}.get(node.state, TaskRole.JOB)

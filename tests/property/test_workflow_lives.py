"""Whatever people wish and supervisors suffer, a workflow runs as its graph says."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from oceanid.errors import OceanidError
from oceanid.models import Job, JobEvent, Task, WorkflowEdge, WorkflowNode
from oceanid.states import JOB_FINAL
from tests.integration.supervisor.house import told
from tests.property.machines import Lives, live_through

ACTIVE = ("PRE", "RUN", "PST")
NODES = st.fixed_dictionaries(
    {},
    optional={
        "num_jobs": st.integers(2, 3),
        "retry": st.integers(1, 2),
        "pre_script": st.just("pre.sh"),
        "post_script": st.just("post.sh"),
        "category": st.sampled_from(("big", "small")),
        "priority": st.integers(-1, 1),
        "abort_dag_on": st.sampled_from((0, 1)),
        "abort_dag_on_return_value": st.integers(0, 1),
        "noop": st.just(True),
        "done": st.just(True),
        "attributes": st.just({"max_retries": 1}),
    },
)


class WorkflowLives(Lives):
    """One or two workflows of a few nodes, with all that a node can have."""

    @initialize(data=st.data(), nodes=st.lists(NODES, min_size=1, max_size=6))
    def a_workflow_is_executed(self, data: st.DataObject, nodes: list[dict[str, Any]]) -> None:
        self.a_workflow_is_made(data, nodes, executed=True)

    @precondition(lambda self: len(self.made) < 2)
    @rule(
        data=st.data(), nodes=st.lists(NODES, min_size=1, max_size=4), executed=st.booleans()
    )  # fmt: skip
    def a_workflow_is_made(
        self, data: st.DataObject, nodes: list[dict[str, Any]], executed: bool
    ) -> None:
        flow = self.jobs.create_job(
            "flow", self.house.users[0], job_type="CONDORWORKFLOW",
            scheduler=self.house.scheduler, max_jobs={"big": 1},
        )  # fmt: skip
        for number, fields in enumerate(nodes):
            parents = data.draw(st.sets(st.integers(0, number - 1))) if number else set()
            attributes = {"executable": "/bin/true", **fields.get("attributes", {})}
            flow.add_node(
                f"n{number}", parents=[f"n{each}" for each in sorted(parents)],
                **{**fields, "attributes": attributes},
            )  # fmt: skip
        flow.save()
        self.made.append(flow)
        if executed:
            with suppress(OceanidError):
                flow.execute()

    @invariant()
    def categories_are_kept(self) -> None:
        for job in Job.objects.of_type("CONDORWORKFLOW"):
            big = WorkflowNode.objects.filter(workflow_id=job.pk, category="big")
            begun = [n for n in big if n.state in ACTIVE or (n.state == "RDY" and n.backlog)]
            assert len(begun) <= 1, told(job)

    @invariant()
    def no_node_begins_before_its_parents_are_done(self) -> None:
        edges = WorkflowEdge.objects.filter(child__done=False)
        for parent, child in edges.values_list("parent__state", "child__state"):
            if child in ("RDY", *ACTIVE, "DON"):
                assert parent == "DON", f"a child is {child} while its parent is {parent}"

    def at_rest(self) -> None:
        for job in Job.objects.exclude(state="PEN"):
            assert job.job_state in JOB_FINAL, told(job)
            nodes = {node.pk: node for node in WorkflowNode.objects.filter(workflow_id=job.pk)}
            for node in nodes.values():
                assert node.state in ("DON", "FAI", "FUT", "ABT") or not job.spec, told(job)
                assert node.tries <= node.retry, told(job)
                assert node.backlog == 0, told(job)
            for parent, child in WorkflowEdge.objects.filter(child__workflow=job).values_list(
                "parent_id", "child_id"
            ):
                if nodes[child].done:
                    continue
                if nodes[parent].state in ("FAI", "FUT") and "abort" not in job.spec:
                    assert nodes[child].state in ("FUT", "ABT"), told(job)
            if job.state == "COM" and "abort" not in job.spec:
                assert {node.state for node in nodes.values()} == {"DON"}, told(job)
            self._in_phases(job, nodes)

    def _in_phases(self, job: Job, nodes: dict[int, WorkflowNode]) -> None:
        """Within a try: PRE, then the job's processes, then POST; a NOOP runs no process."""
        tries: defaultdict[tuple[int | None, int], list[str]] = defaultdict(list)
        for task in Task.objects.filter(job=job).order_by("id"):
            tries[task.node_id, task.attempt].append(task.role)
        for (node_id, _attempt), roles in tries.items():
            node = nodes[node_id or 0]
            assert roles == sorted(roles, key="PJO".index), f"{node}: {roles}: {told(job)}"
            counts = Counter(roles)
            assert counts["P"] <= bool(node.pre_script), told(job)
            assert counts["O"] <= bool(node.post_script), told(job)
            assert counts["J"] <= (0 if node.noop else node.num_jobs), told(job)
        done = JobEvent.objects.filter(job=job, kind="node", after="DON").count()
        assert done >= sum(n.state == "DON" and not n.done for n in nodes.values()), told(job)


def test_no_life_of_a_workflow_leads_astray(scripted: Path) -> None:
    live_through(WorkflowLives, examples=20, steps=25)

"""A workflow's cost a node does not grow with its nodes: counted in statements and in steps of
SQLite's virtual machine, not in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from oceanid.jobs import JobManager
from oceanid.models import Job
from tests.property.house import House
from tests.property.scripted import COMPLETE, RUNNING

FEW, MANY = 60, 300
STEPS_AT_ONCE = 100


class Cost:
    """How many statements were made and, on SQLite, how many hundreds of steps they took."""

    statements = 0
    steps = 0

    def counted(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Let a statement through and count it."""
        self.statements += 1
        return execute(sql, params, many, context)

    def stepped(self) -> int:
        """Called by SQLite itself."""
        self.steps += 1
        return 0


@contextmanager
def counted() -> Iterator[Cost]:
    """Count what the block costs the database."""
    cost = Cost()
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        connection.connection.set_progress_handler(cost.stepped, STEPS_AT_ONCE)
    try:
        with connection.execute_wrapper(cost.counted):
            yield cost
    finally:
        if is_sqlite:
            connection.connection.set_progress_handler(None, 0)


def run(house: House, flow: Any, *, passes_at_most: int) -> None:
    """Drive a workflow to its end, all that is at the engine ending well each time."""
    for _ in range(passes_at_most):
        house.wait()
        house.work()
        for process in house.world.alive():
            house.world.move(process, RUNNING)
            house.world.move(process, COMPLETE, exit_code=0)
        house.deliver(10_000)
        if Job.objects.get(pk=flow.pk).state == "COM":
            return
    raise AssertionError("it does not end")


def diamond(house: House, size: int, **middle: Any) -> Any:
    """One node, many beside each other, one node."""
    flow = JobManager("floods").create_job(
        "diamond", house.users[0], job_type="CONDORWORKFLOW", scheduler=house.scheduler,
        max_jobs={"few": 8},
    )  # fmt: skip
    true = {"executable": "/bin/true"}
    flow.add_node("top", attributes=true)
    names = [f"n{number}" for number in range(size)]
    for name in names:
        flow.add_node(name, parents=["top"], attributes=true, **middle)
    flow.add_node("bottom", parents=names, attributes=true)
    return flow


@pytest.mark.parametrize("category", ["", "few"])
def test_a_node_costs_the_same_in_a_large_workflow_as_in_a_small_one(
    house: House, category: str
) -> None:
    costs = {}
    for size in (FEW, MANY):
        flow = diamond(house, size, category=category)
        with counted() as making:
            flow.execute()
        with counted() as running:
            run(house, flow, passes_at_most=size)
        costs[size] = [making.steps, running.statements, running.steps]
    for few, many in zip(costs[FEW], costs[MANY], strict=True):
        assert many / MANY <= 1.4 * few / FEW, costs

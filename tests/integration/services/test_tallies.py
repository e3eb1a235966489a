"""What happens to processes is counted once, of whom it concerns, and kept for a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from oceanid.models import Depth, FailureTally, Job, Standing, Tally, Task
from oceanid.models.tally import SLOT_S
from oceanid.services import leases, observe, standings, tallies
from oceanid.services.leases import Hold
from oceanid.specs import Observation
from tests.property.house import House
from tests.property.scripted import COMPLETE, ERROR, RUNNING

Make = Callable[..., Any]


def counted(user: Any = None) -> dict[str, Any]:
    """The sums of a person, or of everyone."""
    rows = Tally.objects.filter(user=user)
    return {name: rows.aggregate(total=Sum(name))["total"] or 0 for name in tallies.SUMS}


def standing(user: Any = None) -> dict[str, int]:
    """What stands, of a person or of everyone."""
    rows = Standing.objects.all() if user is None else Standing.objects.filter(user=user)
    return {name: rows.aggregate(total=Sum(name))["total"] or 0 for name in standings.FIGURES}


def hold() -> Hold:
    """The lease of who keeps the house."""
    found = leases.acquire("house", uuid.uuid4(), ttl_s=60)
    assert found is not None
    return found


def run(house: House, made: Any, *ends: Any) -> None:
    """A job's processes run and end."""
    made.execute()
    while house.world.alive() or Job.objects.filter(backlog__gt=0).exists():
        house.wait()
        house.work()
        for process in house.world.alive():
            house.world.move(process, RUNNING)
        house.deliver(100)
        for place, process in enumerate(house.world.alive()):
            house.world.move(process, ends[place % len(ends)], exit_code=0)
        house.deliver(100)


def test_each_process_is_counted_once_for_its_user_and_for_everyone(
    house: House, job: Make
) -> None:
    ann, bob = house.users
    run(house, job(num_jobs=4), COMPLETE)
    run(house, job(user=bob, num_jobs=2), COMPLETE, ERROR)
    assert counted(ann) | {"wait_s": 0, "run_s": 0} == {
        "submitted": 4, "started": 4, "complete": 4, "error": 0, "aborted": 0, "waited": 4,
        "wait_s": 0, "ran": 4, "run_s": 0,
    }  # fmt: skip
    assert (counted(bob)["complete"], counted(bob)["error"]) == (1, 1)
    for name in ("submitted", "started", "complete", "error", "waited", "ran"):
        assert counted()[name] == counted(ann)[name] + counted(bob)[name]
    assert counted()["complete"] == Task.objects.filter(state="COM").count()


def test_what_is_told_again_and_by_who_overslept_is_not_counted_again(
    house: House, job: Make
) -> None:
    run(house, job(num_jobs=3), COMPLETE, ERROR)
    before = counted(), list(FailureTally.objects.values())
    house.repeat(0, len(house.world.log))
    house.freeze()
    house.thaw()
    house.sweep()
    assert (counted(), list(FailureTally.objects.values())) == before


def test_failures_are_counted_by_their_reason(house: House, job: Make) -> None:
    made = job(num_jobs=3)
    made.execute()
    house.work()
    told = [
        Observation(each.batch, each.proc, ERROR, timezone.now(), reason_code=code, reason="No.")
        for each, code in zip(house.world.alive(), ("exit-code", "exit-code", ""), strict=True)
    ]
    for _ in range(2):
        observe.apply(house.supervisor.hold, house.scheduler.pk, told, None)
    found = FailureTally.objects.filter(user=None).values_list("code", "count")
    assert sorted(found) == [("exit-code", 2), ("unknown", 1)]
    assert set(FailureTally.objects.values_list("user", flat=True)) == {None, house.users[0].pk}


def test_a_process_that_is_tried_again_has_not_failed(house: House, job: Make) -> None:
    made = job(num_jobs=1, attributes={"executable": "/bin/true", "max_retries": 1})
    made.execute()
    house.work()
    house.world.move(house.world.alive()[0], RUNNING)
    house.world.move(house.world.alive()[0], ERROR)
    house.deliver(100)
    assert (counted()["error"], counted()["waited"]) == (0, 1)
    house.wait()
    house.work()
    house.world.move(house.world.alive()[0], RUNNING)
    house.world.move(house.world.alive()[0], COMPLETE, exit_code=0)
    house.deliver(100)
    assert (counted()["error"], counted()["complete"]) == (0, 1)


def test_a_machine_whose_clock_is_wrong_makes_no_slot_of_another_time(
    house: House, job: Make
) -> None:
    run(house, job(), COMPLETE)  # the scripted world lives in 2030
    now = tallies.slot_of(timezone.now())
    assert all(now - 1 <= slot <= now for slot in Tally.objects.values_list("slot", flat=True))
    assert counted()["wait_s"] < 600


def test_a_look_tells_what_stands_and_forgets_what_does_not(house: House, job: Make) -> None:
    keeper = hold()
    made = job(num_jobs=6)
    made.execute()
    standings.look(keeper)
    assert standing() == {"jobs": 1, "waiting": 6, "running": 0, "paused": 0, "held": 0}
    house.work()
    first, second, *_rest = house.world.alive()
    house.world.move(first, RUNNING)
    house.world.move(second, RUNNING)
    house.deliver(100)
    standings.look(keeper)
    assert standing(house.users[0]) | {"jobs": 0} == {
        "jobs": 0, "waiting": 4, "running": 2, "paused": 0, "held": 0,
    }  # fmt: skip
    assert standing(house.users[1])["jobs"] == 0
    made.stop()
    for _ in range(4):
        house.wait()
        house.work()
        house.deliver(100)
    standings.look(keeper)
    assert not Standing.objects.exists()
    most = Depth.objects.get(user=None)
    assert (most.waiting, most.running) == (6, 2)


def test_a_look_tells_why_what_is_held_is_held(house: House, job: Make) -> None:
    whole, part = job(num_jobs=3), job(num_jobs=4)
    for made in (whole, part):
        made.execute()
    Job.objects.filter(pk=whole.pk).update(
        state="HLD", reason_code="memory-limit", tasks_held=3, backlog=0
    )
    Job.objects.filter(pk=part.pk).update(state="VAR", tasks_held=2, backlog=2)
    keeper = hold()
    standings.look(keeper)
    (row,) = Standing.objects.all()
    assert (row.held, row.held_for) == (5, {"memory-limit": 3, "": 2})
    Job.objects.filter(pk=whole.pk).update(state="COM", tasks_held=0)
    standings.look(keeper)
    (row,) = Standing.objects.all()
    assert (row.held, row.held_for) == (2, {"": 2})


def test_a_look_costs_a_fixed_number_of_queries(
    house: House, job: Make, django_assert_max_num_queries: Any
) -> None:
    keeper = hold()
    for number in range(30):
        job(user=house.users[number % 2], num_jobs=2).execute()
    standings.look(keeper)
    with django_assert_max_num_queries(14):
        standings.look(keeper)


def test_counts_are_kept_for_a_bounded_time(house: House, job: Make) -> None:
    run(house, job(num_jobs=2), COMPLETE, ERROR)
    standings.look(hold())
    keeper = leases.acquire("other", uuid.uuid4(), ttl_s=60)
    assert keeper is not None
    assert tallies.forget(keeper) == 0
    later = timezone.now() + timedelta(seconds=tallies.KEPT_S + 2 * SLOT_S)
    assert tallies.forget(keeper, now=later) > 0
    assert not (Tally.objects.exists() or FailureTally.objects.exists() or Depth.objects.exists())

"""Which pages are measured: their addresses in one portal, whatever its size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.filled import (
    ADMIN,
    COMMON_APP,
    COMMON_SCHEDULER,
    FEW,
    FLOW,
    MANY,
    MIDDLING_APP,
    MIDDLING_SCHEDULER,
    MIDDLING_STATUS,
    ONE,
    RARE_APP,
    RARE_SCHEDULER,
    READER,
)  # fmt: skip

JOBS = "/compute/jobs/"
ADMIN_JOBS = "/admin/oceanid/job/"
PREFIX = "simulate"
RECENT = "2025-12-01"
FILTERS = {
    "status": ("Complete", MIDDLING_STATUS, "Held", "active"),
    "app": (COMMON_APP, MIDDLING_APP, RARE_APP),
    "scheduler": (COMMON_SCHEDULER, MIDDLING_SCHEDULER, RARE_SCHEDULER),
    "since": (RECENT,),
    "q": (PREFIX,),
}
"""The values that are combined, two by two: common ones, rare ones, and those in between."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One page: who opens it, and where it is."""

    person: str
    address: str


def lists() -> Iterator[tuple[str, Visit]]:
    """Every list that the measurement compares, by name."""
    yield from _orders(ADMIN, "all")
    yield from _orders(MANY, "mine")
    yield from _orders(FEW, "mine", only_first=True)
    yield from _orders(READER, "groups", only_first=True)
    for person, scope in (
        (ADMIN, "all"), (MANY, "mine"), (FEW, "mine"), (FEW, "groups"), (READER, "groups"),
    ):  # fmt: skip
        yield from _columns(person, scope)
        yield from _searches(person, scope)
        yield from _pairs(person, scope, rare=person != FEW)
        if person != FEW:
            yield from _orders_within(person, scope)


def others() -> Iterator[tuple[str, Visit]]:
    """The pages around the list, and the site admin's."""
    from django.urls import reverse

    from oceanid.models import Job, JobEvent, SavedView, WorkflowNode

    one = Job.objects.get(name_key=ONE).pk
    flow = f"{JOBS}{Job.objects.get(name_key=FLOW).pk}/"
    node = WorkflowNode.objects.latest("id").pk
    view = SavedView.objects.filter(owner__username=MANY).latest("id").pk
    events = JobEvent.objects.latest("id").pk
    of_one = JobEvent.objects.filter(job=one)
    middle = (of_one.earliest("id").pk + of_one.latest("id").pk) // 2
    ids = ",".join(str(pk) for pk in Job.objects.order_by("-id").values_list("pk", flat=True)[:50])
    job = f"{JOBS}{one}/"
    failed, rare = f"{ADMIN_JOBS}?status=ERR", f"app={RARE_APP}"
    place = f"scheduler={COMMON_SCHEDULER}"
    yield "overview of everyone", Visit(ADMIN, "/compute/?scope=all")
    yield "overview of everyone's week", Visit(ADMIN, "/compute/?scope=all&span=week")
    yield "overview of one's own", Visit(FEW, "/compute/?scope=mine")
    yield _visit(MANY, "mine", "a saved view, of 50", view=str(view), status="Error")
    for scope, person in (("mine", MANY), ("all", ADMIN), ("groups", READER)):
        for kind in ("csv", "json"):
            export = f"{JOBS}export/?scope={scope}&format={kind}"
            yield f"export of {scope} as {kind}, its beginning", Visit(person, export)
    yield "notices of somebody with many", Visit(MANY, "/compute/notifications/?show=all")
    yield "notices unread of somebody with many", Visit(MANY, "/compute/notifications/")
    yield "the bell of somebody with many", Visit(MANY, "/compute/notifications/bell/")
    for name, address in {
        "rows that changed": f"{JOBS}rows/?ids={ids}",
        "changes since": f"/compute/live/changes/?since={events - 30}",
        "notices": "/compute/notifications/?show=all",
        "what one is told of": "/compute/notifications/settings/",
        "job: page": job,
        "job: all events": f"{job}?events=all",
        "job: events further back": f"{job}?events=all&{_after('id', middle, 'eafter')}",
        "job: last tasks": f"{job}?tat=last",
        "job: failed tasks": f"{job}?tstate=ERR",
        "job: tasks held, of which there are none": f"{job}?tstate=HLD",
        "job: whether to delete it": f"{job}delete/",
        "workflow: page": flow,
        "workflow: table, further on": f"{flow}?{_after('id', node - 100, 'nafter', WorkflowNode)}",
        "workflow: its running nodes": f"{flow}?nstate=RUN",
        "workflow: a node": f"{flow}nodes/{node}/",
        "admin: audit history": "/admin/oceanid/auditevent/",
        "admin: audit history, a further page": "/admin/oceanid/auditevent/?p=3",
        "admin: audit history of a person": f"/admin/oceanid/auditevent/?q={MANY}",
        "admin: jobs": ADMIN_JOBS,
        "admin: jobs, a further page": f"{ADMIN_JOBS}?p=5",
        "admin: jobs of a common status": f"{ADMIN_JOBS}?status=COM",
        "admin: jobs of a rare status": f"{ADMIN_JOBS}?status=HLD",
        "admin: jobs of an app with a status": f"{failed}&app={COMMON_APP}",
        "admin: jobs of a rare app with a status": f"{failed}&{rare}",
        "admin: jobs of a scheduler with a status": f"{failed}&{place}",
        "admin: jobs of an app on a scheduler": f"{ADMIN_JOBS}?{rare}&{place}",
        "admin: jobs by a beginning": f"{ADMIN_JOBS}?q={PREFIX}",
        "admin: jobs of a user": f"{ADMIN_JOBS}?user={MANY}",
        "admin: jobs of a user with a status": f"{failed}&user={MANY}",
        "several at once": "/compute/bulk/",
        "several at once: what would happen": f"/compute/bulk/{_bulk(ready=True)}/",
        "several at once: what came of each": f"/compute/bulk/{_bulk(ready=False)}/",
        "a table of an app's jobs": _table(),
        "admin: job": reverse("admin:oceanid_job_change", args=[one]),
        "admin: schedulers": "/admin/oceanid/scheduler/",
        "admin: a scheduler": "/admin/oceanid/scheduler/2/change/",
    }.items():
        yield name, Visit(ADMIN, address)


def _bulk(*, ready: bool) -> str:
    """An action of the administrator on every job: to be confirmed, or done for some of them."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from oceanid.models import BulkAction, BulkResult, Job

    last = Job.objects.latest("id").pk
    action = BulkAction.objects.create(
        actor=User.objects.get(username=ADMIN),
        verb="stop",
        state="RDY" if ready else "DON",
        parameters={"scope": "all"},
        upper_id=last,
        foreseen={"done": last},
        confirmed_at=None if ready else timezone.now(),
    )
    if not ready:
        BulkResult.objects.bulk_create(
            BulkResult(action=action, job_id=pk, name=f"job {pk}", outcome="done")
            for pk in range(1, last // 10 + 1)
        )
    return str(action.uuid)


def _table() -> str:
    """Where a table of the common app's jobs brings itself up to date."""
    from oceanid.jobs import JobsTable

    table = JobsTable(
        column_fields=["name", "extended_properties.site", "run_time"],
        app=COMMON_APP,
        scope="all",
        row_count=50,
        show_detailed_status=True,
        enable_data_table=True,
    )
    return f"/compute/tables/?{urlencode({'t': table.token(), 'id': 'jobs'})}"


def anywhere() -> Iterator[tuple[str, Visit]]:
    """Searches for a part of everyone's names, which need only be bounded in time."""
    for name, text in (("in many", "late 1"), ("in few", "test” 7"), ("in none", "no such thing")):
        asked = {"scope": "all", "q": text, "match": "any"}
        yield f"a part {name}", Visit(ADMIN, f"{JOBS}?{urlencode(asked)}")
        yield (
            f"a part {name}, of a status",
            Visit(ADMIN, f"{JOBS}?{urlencode(asked | {'status': 'Error'})}"),
        )


def _visit(person: str, scope: str, what: str, **asked: str) -> tuple[str, Visit]:
    query = urlencode({"scope": scope} | asked)
    return f"{person} {scope}: {what}", Visit(person, f"{JOBS}?{query}")


def _orders(person: str, scope: str, *, only_first: bool = False) -> Iterator[tuple[str, Visit]]:
    """The first, a middle and the last page in every order."""
    from oceanid.services.asked import SORTS

    for sort in [*SORTS, *(f"-{sort}" for sort in SORTS)]:
        yield _visit(person, scope, f"by {sort}, first page", sort=sort)
        if only_first:
            continue
        yield _visit(person, scope, f"by {sort}, last page", sort=sort, at="last")
        middle = _middle(person, scope, sort)
        yield _visit(person, scope, f"by {sort}, middle page", sort=sort, after=middle)


def _columns(person: str, scope: str) -> Iterator[tuple[str, Visit]]:
    """Other columns, an app's own among them; and the jobs of one user among everyone's."""
    own = "extended_properties.site.name,extended_properties.n"
    yield _visit(person, scope, "own columns", columns=f"status,{own},reason,description,took")
    yield _visit(person, scope, "own columns, last page", columns=own, at="last")
    if scope == "all":
        for user in (MANY, FEW):
            yield _visit(person, scope, f"user={user}", user=user)
            for more in ({"status": "Error"}, {"app": RARE_APP}, {"scheduler": COMMON_SCHEDULER}):
                told = " ".join(f"{name}={value}" for name, value in more.items())
                yield _visit(person, scope, f"user={user} {told}", user=user, **more)


def _searches(person: str, scope: str) -> Iterator[tuple[str, Visit]]:
    from oceanid.models import Job

    owned = Job.objects.filter(user__username=MANY if person == ADMIN else person)
    job = Job.objects.filter(shares__isnull=False).first() if person == READER else owned.first()
    assert job is not None
    yield _visit(person, scope, "search by number", q=f"#{job.pk}")
    yield _visit(person, scope, "search by uuid", q=str(job.uuid))
    yield _visit(person, scope, "search by a whole name", q=job.name)
    yield _visit(person, scope, "search by a beginning", q=PREFIX)
    yield _visit(person, scope, "search by a beginning, last page", q=PREFIX, at="last")
    for sort in ("created", "-ended", "status"):
        yield _visit(person, scope, f"search by a beginning, by {sort}", q=PREFIX, sort=sort)


def _pairs(person: str, scope: str, *, rare: bool) -> Iterator[tuple[str, Visit]]:
    """Two filters combined; the last page and other orders of the common ones."""
    single = [
        (name, value)
        for name, values in FILTERS.items()
        for value in (values if rare else values[:1])
    ]
    common = {values[0] for values in FILTERS.values()}
    for (one, first), (two, second) in itertools.combinations(single, 2):
        if one == two:
            continue
        asked = {one: first, two: second}
        told = " ".join(f"{name}={value}" for name, value in asked.items())
        yield _visit(person, scope, told, **asked)
        if person != FEW and "q" not in asked and common.issuperset(asked.values()):
            yield _visit(person, scope, f"{told}, last page", at="last", **asked)
            yield _visit(person, scope, f"{told}, by ended", sort="ended", **asked)


def _orders_within(person: str, scope: str) -> Iterator[tuple[str, Visit]]:
    """Each filter alone, and those in between together, also in other orders."""
    for name, values in FILTERS.items():
        for value in values:
            for sort in ("", "ended", "-name", "status"):
                if name != "q" or not sort:
                    yield _within(person, scope, sort, {name: value})
    middling = {"status": MIDDLING_STATUS, "app": MIDDLING_APP, "scheduler": MIDDLING_SCHEDULER}
    for left_out in ("", *middling):
        asked = {name: value for name, value in middling.items() if name != left_out}
        for sort in ("ended", "-name", "status"):
            yield _within(person, scope, sort, asked)
        yield _within(person, scope, "", asked | {"q": PREFIX})
    yield _within(person, scope, "", middling)


def _within(person: str, scope: str, sort: str, asked: dict[str, str]) -> tuple[str, Visit]:
    told = " ".join(f"{name}={value}" for name, value in asked.items())
    if not sort:
        return _visit(person, scope, told, **asked)
    return _visit(person, scope, f"{told}, by {sort}", sort=sort, **asked)


def _middle(person: str, scope: str, sort: str) -> str:
    from django.contrib.auth.models import User

    from oceanid.services import keyset, listing
    from oceanid.services.asked import Asked

    user = User.objects.get(username=person)
    order = Asked(sort=sort, scope=scope).order
    jobs = listing.scope(Asked(scope=scope), user)
    if order.nullable:
        jobs = jobs.filter(**{f"{order.field}__isnull": False})
    sign = "-" if order.descending else ""
    ordered = jobs.order_by(f"{sign}{order.field}", f"{sign}{order.tie}")
    return keyset.token(ordered[jobs.count() // 2], order)


def _after(field: str, pk: int, parameter: str, model: Any = None) -> str:
    from oceanid.models import JobEvent
    from oceanid.services import keyset

    row = (model or JobEvent)._default_manager.get(pk=pk)
    return urlencode({parameter: keyset.token(row, keyset.Order(field, descending=True))})

"""Which finished jobs are past their time, and the wish that they go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from oceanid import conf
from oceanid.models import EventKind, Job, JobQuerySet
from oceanid.services import events
from oceanid.services.wake import wake
from oceanid.states import JOB_FINAL, Wanted

CHUNK = 500
FINAL = [state.value for state in JOB_FINAL]


def expired(now: datetime | None = None) -> JobQuerySet:
    """Finished jobs that are past their time by the site's settings: what a dry run shows.

    A user's own time counts before an app's, and an app's before the site's.

    Args:
        now: The moment to judge by; the present when None.
    """
    now = now or timezone.now()
    rules = conf.current().retention
    past = Q(pk__in=[])
    name = f"user__{get_user_model().USERNAME_FIELD}"
    for user, days in rules.by_user.items():
        past |= Q((name, user)) & _before(now, days)
    no_user_rule = ~Q((f"{name}__in", list(rules.by_user)))
    for app, days in rules.by_app.items():
        past |= Q(app=app) & no_user_rule & _before(now, days)
    past |= ~Q(app__in=list(rules.by_app)) & no_user_rule & _before(now, rules.days)
    finished = Job.objects.filter(state__in=FINAL).exclude(wanted=Wanted.DELETE.value)
    return finished.filter(past)


def apply(now: datetime | None = None) -> int:
    """Ask for the deletion of what is past its time; returns how many jobs.

    The supervisor then removes their directories, tasks, events and rows.
    """
    rules = conf.current().retention
    if rules.days is None and not rules.by_app and not rules.by_user:
        return 0
    return sum(_ask(keys) for keys in _chunks(expired(now)))


def _ask(keys: list[tuple[int, int]]) -> int:
    """Ask for the deletion of those that nobody has resubmitted or deleted since."""
    now = timezone.now()
    asked = []
    with transaction.atomic():
        for pk, attempt in keys:
            still = Job.objects.filter(pk=pk, attempt=attempt, state__in=FINAL)
            if still.exclude(wanted=Wanted.DELETE.value).update(
                wanted=Wanted.DELETE.value, due_at=now, version=F("version") + 1
            ):
                asked.append((pk, attempt))
        events.write(
            events.job_event(pk, attempt, EventKind.INTENT, now, message="Its time is over.")
            for pk, attempt in asked
        )
        wake()
    return len(asked)


def _before(now: datetime, days: int | None) -> Q:
    if days is None:
        return Q(pk__in=[])
    return Q(completion_time__lt=now - timedelta(days=days))


def _chunks(jobs: JobQuerySet) -> Iterator[list[tuple[int, int]]]:
    last = 0
    while True:
        some = jobs.filter(pk__gt=last).order_by("pk").values_list("pk", "attempt")
        keys = list(some[:CHUNK])
        if not keys:
            return
        yield keys
        last = keys[-1][0]

"""Who may hear of a job, as columns of a query; and that a job is no more, told to them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery, TextField
from django.utils import timezone

from oceanid.models import Job, JobEvent, JobGone, JobShare
from oceanid.services.bulk import insert_many, new_keys
from oceanid.services.leases import Hold, guard

KEPT = timedelta(days=1)
"""Whoever was away for longer gets everything anew."""
FORGOTTEN_AT_ONCE = 2000


class Listed(Subquery):
    """The one column of a subquery as a text, with commas between."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite names no column of a subquery: by the first part of a union it does."""
        template = (
            "(SELECT group_concat(one) FROM (SELECT NULL AS one WHERE 0 UNION ALL %(subquery)s))"
        )
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL's own function."""
        template = "(SELECT string_agg(one::text, ',') FROM (%(subquery)s) AS listed (one))"
        return self.as_sql(compiler, connection, template=template, **context)


def heard_by(job: str) -> dict[str, Listed]:
    """The groups of its app, those it is shared with, and the people it is shared with.

    Args:
        job: The column that has the job's key.
    """
    shares = JobShare.objects.filter(job=OuterRef(job))
    grouped = Job.groups.through.objects.filter(job=OuterRef(job))
    return {
        "app_groups": Listed(grouped.values("group_id")),
        "share_groups": Listed(shares.filter(group__isnull=False).values("group_id")),
        "share_users": Listed(shares.filter(user__isnull=False).values("user_id")),
    }


def tell_gone(jobs: Collection[int]) -> None:
    """Leave word that jobs are no more; within the transaction that deletes them, before it."""
    rows = Job.objects.filter(pk__in=list(jobs)).order_by("pk")
    found = list(rows.values_list("pk", "user_id", *heard_by("pk").values()))
    if not found:
        return
    now = timezone.now()
    told = (
        (key, job, user, ",".join(filter(None, (app, groups))), users or "", now)
        for key, (job, user, app, groups, users) in zip(
            new_keys(JobEvent, len(found)), found, strict=True
        )
    )
    insert_many(JobGone, ("id", "job_id", "user_id", "groups", "users", "at"), told)


def newest() -> int:
    """The number of the newest event or deletion, 0 when there is none: one query."""
    gone = JobGone.objects.order_by("-pk").values("pk")[:1]
    events = JobEvent.objects.order_by("-pk").annotate(gone=Subquery(gone))
    row = events.values_list("pk", "gone").first()
    if row is None:
        return gone.values_list("pk", flat=True).first() or 0
    return max(row[0], row[1] or 0)


def forget_old(hold: Hold) -> None:
    """Remove what was told long ago, a portion at a time."""
    before = timezone.now() - KEPT
    while True:
        oldest = JobGone.objects.order_by("pk").values_list("pk", "at")[:FORGOTTEN_AT_ONCE]
        keys = [key for key, at in oldest if at < before]
        if not keys:
            return
        with transaction.atomic():
            guard(hold)
            JobGone.objects.filter(pk__lte=keys[-1], at__lt=before)._raw_delete("default")

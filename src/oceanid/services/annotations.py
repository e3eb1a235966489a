"""What an app may still write down about a job that was executed: never what was observed."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from oceanid.errors import NotFound
from oceanid.models import Job
from oceanid.services.freeze import check_name, name_key

KEPT = ("name", "name_key", "description", "label", "extended_properties")


def save(job: Job) -> None:
    """Write the fields that belong to the app, and ``result`` when it holds something.

    A stale instance can't undo what was observed since it was read.

    Raises:
        InvalidSpecification: Its name can't be used.
        NotFound: It was deleted.
    """
    check_name(job)
    job.name_key = name_key(job.name)
    values = {field: getattr(job, field) for field in KEPT}
    if job.result is not None:
        values["result"] = job.result
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk).update(version=F("version") + 1, **values):
            raise NotFound("The job was deleted.", hint="Make a new one.")

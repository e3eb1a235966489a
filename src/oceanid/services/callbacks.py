"""Signed addresses by which a running job may tell how far it is: one job, one attempt, a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from django.core import signing
from django.urls import NoReverseMatch, reverse

from oceanid import conf
from oceanid.errors import NotPermitted
from oceanid.models import Job

SALT = "oceanid.callback"
VARIABLE = "OCEANID_CALLBACK_URL"


def token(job: Job) -> str:
    """A token that is good for this job's present attempt."""
    return signing.dumps([str(job.uuid), job.attempt], salt=SALT)


def url(job: Job) -> str:
    """The address for a job's present attempt; "" when the portal does not know its own."""
    return _url(job.uuid, job.attempt, conf.current().base_url)


def environment(job: Job) -> Mapping[str, str]:
    """What a job finds in its environment to call back with."""
    address = url(job)
    return {VARIABLE: address} if address else {}


def verify(given: str) -> Job:
    """The job that a token is for.

    Raises:
        NotPermitted: It is forged, too old, or of an attempt that is over.
    """
    try:
        identity, attempt = signing.loads(
            given, salt=SALT, max_age=timedelta(days=conf.current().callback_days)
        )
        identity, attempt = UUID(str(identity)), int(attempt)
    except (signing.BadSignature, ValueError, TypeError) as problem:
        raise NotPermitted(
            "This address is not valid, or not any more.",
            hint="Use the job's present OCEANID_CALLBACK_URL.",
        ) from problem
    job = Job.objects.filter(uuid=identity, attempt=attempt).first()
    if job is None or job.job_state.is_final:
        raise NotPermitted("The job that this address was for is over.")
    return job


@lru_cache(maxsize=1024)
def _url(identity: UUID, attempt: int, base: str) -> str:
    if not base:
        return ""
    signed = signing.dumps([str(identity), attempt], salt=SALT)
    try:
        path = reverse("oceanid:callback", args=[signed])
    except NoReverseMatch:
        return ""
    return base.rstrip("/") + path

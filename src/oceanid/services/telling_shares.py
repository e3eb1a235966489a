"""Finds out whom a share of a job concerns: the person whom it is shared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from oceanid.models import JobShare, NoticeKind, Outbox, ShareRight, Subject
from oceanid.services import preferences
from oceanid.states import Wanted

STATE, WORD = "SHR", "Shared with you"
NAME_LENGTH = 200


def addressed(changes: Sequence[Outbox]) -> Iterator[tuple[Any, frozenset[str], dict[str, Any]]]:
    """Each of these changes that is a share with a person: whom it is told, how, what it says.

    A share that was taken away meanwhile is told to nobody.
    """
    at = {each.subject_id: each.at for each in changes if each.subject == Subject.SHARE}
    if not at:
        return
    shares = JobShare.objects.filter(pk__in=list(at), user__is_active=True)
    shares = shares.exclude(job__wanted=Wanted.DELETE.value).select_related("user", "job", "by")
    found = list(shares.order_by("pk"))
    wanted = preferences.of_many({each.user_id: each.user for each in found}.values())
    for share in found:
        by = share.by.get_username() if share.by is not None else ""
        may = "view it" if share.right == ShareRight.VIEW else "view it and act on it"
        item = {
            "subject": Subject.JOB.value,
            "id": share.job_id,
            "uuid": str(share.job.uuid),
            "name": share.job.name[:NAME_LENGTH],
            "app": share.job.app,
            "attempt": share.job.attempt,
            "before": "",
            "word": WORD,
            "state": STATE,
            "at": at[share.pk].isoformat(),
            "message": f"{by} lets you {may}." if by else f"You may {may}.",
        }
        yield share.user, wanted[share.user_id].of(NoticeKind.SHARED), item

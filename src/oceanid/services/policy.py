"""Who may see and do what: one policy for pages, admin, tables and the API."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from oceanid.errors import NotFound, NotPermitted
from oceanid.models import Job

Right = Literal["view", "act"]
Person = AbstractBaseUser | AnonymousUser

VIEW_ALL = "oceanid.view_all_jobs"
ACT_ON_ALL = "oceanid.act_on_all_jobs"


def sees_all(user: Person) -> bool:
    """Whether everyone's jobs are this person's to see."""
    return _has(user, VIEW_ALL) or _has(user, ACT_ON_ALL)


def visible_jobs(user: Person) -> QuerySet[Job]:
    """The jobs that a person may see: their own, their groups', or by permission all."""
    if not user.is_authenticated or not user.is_active:
        return Job.objects.none()
    if sees_all(user):
        return Job.objects.all()
    return Job.objects.filter(Q(user_id=user.pk) | Q(pk__in=_shared_ids(user)))


def group_jobs(user: Person) -> QuerySet[Job]:
    """The jobs that are shared with one of a person's groups."""
    if not user.is_authenticated or not user.is_active:
        return Job.objects.none()
    return Job.objects.filter(pk__in=_shared_ids(user))


def may(user: Person, right: Right, job: Job) -> bool:
    """Whether a person has a right to a job.

    An owner and a member of one of the job's groups may view it and act on it; everyone
    else needs the permission for all jobs.
    """
    if not user.is_authenticated or not user.is_active:
        return False
    if job.user_id == user.pk:
        return True
    if _has(user, ACT_ON_ALL) or (right == "view" and _has(user, VIEW_ALL)):
        return True
    return bool(job.pk) and job.groups.filter(pk__in=_group_ids(user)).exists()


def require(user: Person, right: Right, job: Job) -> None:
    """Raise unless a person has a right to a job.

    Raises:
        NotFound: The person may not even see it, so it is not there for them.
        NotPermitted: The person may see it, but not act on it.
    """
    if may(user, right, job):
        return
    if right != "view" and may(user, "view", job):
        raise NotPermitted(
            "You may see this job, but not act on it.", hint="Ask its owner or an administrator."
        )
    raise NotFound("There is no such job, or you may not see it.")


def _has(user: Person, permission: str) -> bool:
    has_perm: Any = getattr(user, "has_perm", None)
    return bool(has_perm and has_perm(permission))


def _group_ids(user: Person) -> Any:
    groups: Any = getattr(user, "groups", None)
    return groups.values("pk") if groups is not None else []


def _shared_ids(user: Person) -> Any:
    return Job.groups.through.objects.filter(group__in=_group_ids(user)).values("job_id")

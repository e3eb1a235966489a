"""Who may see and do what: one policy for pages, admin, tables, live streams and the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, PermissionsMixin
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.lookups import IsNull

from oceanid.errors import NotFound, NotPermitted
from oceanid.models import Job, JobShare, Scheduler, ShareRight

Right = Literal["view", "act"]
Person = AbstractBaseUser | AnonymousUser

VIEW_ALL = "oceanid.view_all_jobs"
ACT_ON_ALL = "oceanid.act_on_all_jobs"
SUBMIT_ANY = "oceanid.submit_any"
_DJANGOS = "django.contrib.auth.backends.ModelBackend"


def sees_all(user: Person) -> bool:
    """Whether everyone's jobs are this person's to see."""
    known: bool | None = getattr(user, "oceanid_sight", None)
    if known is not None:
        return user.is_active and (known or bool(getattr(user, "is_superuser", False)))
    return _has(user, VIEW_ALL) or _has(user, ACT_ON_ALL)


def with_sight(people: QuerySet[Any]) -> QuerySet[Any]:
    """Rows of the user model that :func:`sees_all` asks no further query about.

    Only where nothing but Django's own back-end gives permissions; elsewhere it asks as ever.
    """
    backends = set(settings.AUTHENTICATION_BACKENDS)
    if backends != {_DJANGOS} or people.model.has_perm is not PermissionsMixin.has_perm:
        return people
    wanted = Permission.objects.filter(
        content_type__app_label="oceanid",
        codename__in=[each.partition(".")[2] for each in (VIEW_ALL, ACT_ON_ALL)],
    )
    own = people.model.user_permissions.through.objects
    person = people.model.user_permissions.field.m2m_field_name()
    group = Group.permissions.through.objects.filter(permission__in=wanted).values("group_id")
    by_group = people.model.objects.filter(pk=OuterRef("pk"), groups__in=group)
    found: QuerySet[Any] = people.annotate(
        oceanid_sight=Exists(own.filter(**{person: OuterRef("pk")}, permission__in=wanted))
        | Exists(by_group)
    )
    return found


def acts_on_all(user: Person) -> bool:
    """Whether everyone's jobs are this person's to act on."""
    return _has(user, ACT_ON_ALL)


def visible_schedulers(user: Person) -> QuerySet[Scheduler]:
    """The schedulers whose health a person may see: those that they may use, or by permission all.

    A person's own account at a scheduler stands behind it, and is no scheduler to choose.
    """
    if not user.is_authenticated or not user.is_active:
        return Scheduler.objects.none()
    schedulers = Scheduler.objects.filter(parent=None)
    if sees_all(user):
        return schedulers
    limits = Scheduler.groups.through.objects.filter(scheduler=OuterRef("pk"))
    own = limits.filter(group__in=_group_ids(user))
    return schedulers.filter(~Exists(limits) | Exists(own), enabled=True)


def visible_jobs(user: Person) -> QuerySet[Job]:
    """The jobs that a person may see: their own, those shared with them, or by permission all."""
    if not user.is_authenticated or not user.is_active:
        return Job.objects.none()
    if sees_all(user):
        return Job.objects.all()
    return Job.objects.filter(Q(user_id=user.pk) | is_shared_with(user, "pk"))


def group_jobs(user: Person) -> QuerySet[Job]:
    """The jobs that are shared with a person, by themselves or by one of their groups."""
    if not user.is_authenticated or not user.is_active:
        return Job.objects.none()
    return Job.objects.filter(pk__in=_shared_ids(user))


def is_shared_with(user: Person, job: str) -> Q:
    """A condition: the job is shared with a person; looked up for each job, by its indexes.

    Not by EXISTS, for which PostgreSQL may read all of a person's shares to look for a few jobs.

    Args:
        user: Somebody who is logged in.
        job: What holds the job's number in the rows that are asked for: ``pk`` of jobs.
    """
    shares = (IsNull(Subquery(each), False) for each in _shares(user, OuterRef(job)))
    return Q(*shares, _connector=Q.OR)


def is_shared_sql(user: Person, job: str) -> tuple[str, list[Any]]:
    """The same as SQL with its values, for jobs that are numbers in a column yet, not rows.

    Args:
        user: Somebody who is logged in.
        job: The column, as SQL names it.
    """
    parts: list[str] = []
    values: list[Any] = []
    for each in _shares(user, RawSQL(job, (), output_field=BigIntegerField())):  # noqa: S611 - ours
        sql, given = each.query.sql_with_params()
        parts.append(f"({sql}) IS NOT NULL")
        values += given
    return " OR ".join(parts), values


def _shares(user: Person, job: Any) -> tuple[QuerySet[Any, Any], ...]:
    """What shares a job with a person: each at most one row."""
    shares = JobShare.objects.filter(_theirs(user), job=job)
    grouped = Job.groups.through.objects.filter(job=job, group__in=_group_ids(user))
    return shares.values("job_id")[:1], grouped.values("job_id")[:1]


def may(user: Person, right: Right, job: Job) -> bool:
    """Whether a person has a right to a job.

    The owner and the members of the groups that its app gave it may view it and act on it; whom
    it is shared with may do what the share says; everyone else needs the permission for all jobs.
    """
    if not user.is_authenticated or not user.is_active:
        return False
    if job.user_id == user.pk:
        return True
    if _has(user, ACT_ON_ALL) or (right == "view" and _has(user, VIEW_ALL)):
        return True
    if not job.pk:
        return False
    shares = JobShare.objects.filter(_theirs(user), job=job)
    if right != "view":
        shares = shares.filter(right=ShareRight.ACT)
    return shares.exists() or job.groups.filter(pk__in=_group_ids(user)).exists()


def may_share(user: Person, job: Job) -> bool:
    """Whether a person may say who else has a right to a job: its owner, or by permission."""
    if not user.is_authenticated or not user.is_active:
        return False
    return job.user_id == user.pk or acts_on_all(user)


def may_submit_any(user: Person) -> bool:
    """Whether a person may run a specification that they wrote themselves."""
    return bool(user.is_authenticated and user.is_active and _has(user, SUBMIT_ANY))


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


def require_permission(user: Any, permission: str, what: str) -> None:
    """Raise unless a person has a permission.

    Args:
        user: The person.
        permission: With its app: ``oceanid.test_scheduler``.
        what: What it lets one do, for the sentence that refuses it.

    Raises:
        NotPermitted: The person has not.
    """
    if not _has(user, permission):
        raise NotPermitted("You may not {what}.", hint="Ask an administrator.", what=what)


def _has(user: Person, permission: str) -> bool:
    has_perm: Any = getattr(user, "has_perm", None)
    return bool(has_perm and has_perm(permission))


def _group_ids(user: Person) -> Any:
    groups: Any = getattr(user, "groups", None)
    return groups.values("pk") if groups is not None else []


def _theirs(user: Person) -> Q:
    return Q(user=user.pk) | Q(group__in=_group_ids(user))


def _shared_ids(user: Person) -> Any:
    own = JobShare.objects.filter(user=user.pk).values("job_id")
    by_group = JobShare.objects.filter(group__in=_group_ids(user)).values("job_id")
    grouped = Job.groups.through.objects.filter(group__in=_group_ids(user)).values("job_id")
    return own.union(by_group, grouped)


def acting_among(user: Person, ids: Collection[int]) -> set[int]:
    """Those of some jobs that a person may act on; a fixed number of queries for all of them."""
    if not user.is_authenticated or not user.is_active:
        return set()
    if _has(user, ACT_ON_ALL):
        return set(ids)
    allowed = set(Job.objects.filter(pk__in=ids, user=user.pk).values_list("pk", flat=True))
    rest = [pk for pk in ids if pk not in allowed]
    if rest:
        shares = JobShare.objects.filter(_theirs(user), job__in=rest, right=ShareRight.ACT)
        grouped = Job.groups.through.objects.filter(job__in=rest, group__in=_group_ids(user))
        for found in (shares, grouped):
            allowed.update(found.values_list("job_id", flat=True))
    return allowed

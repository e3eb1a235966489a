"""Whom a job is shared with: given and taken by its owner, told in its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from oceanid.errors import InvalidSpecification, LimitExceeded, NotFound, NotPermitted
from oceanid.models import EventKind, Job, JobShare, ShareRight
from oceanid.services import audit, events, outbox, policy

MOST = 100
"""With how many people and groups one job can be shared."""
LONGEST_NAME = 254


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a right to a job that is not theirs.

    Args:
        name: What the person or group is called.
        is_group: Whether it is a group.
        right: What they may do.
        share_id: The share's number; None for a group that the app gave the job.
        group_id: The group's number then.
        by: Who shared it; "" for the app.
    """

    name: str
    is_group: bool
    right: str
    share_id: int | None = None
    group_id: int | None = None
    by: str = ""

    @property
    def right_word(self) -> str:
        """The right in words."""
        return str(ShareRight(self.right).label)


def holders(job: Job) -> list[Holder]:
    """Who has a right to a job beside its owner: two queries."""
    shares = JobShare.objects.filter(job=job).select_related("user", "group", "by")
    found = [
        Holder(
            name=_name(each),
            is_group=each.group is not None,
            right=each.right,
            share_id=each.pk,
            by=each.by.get_username() if each.by else "",
        )
        for each in shares.order_by("pk")[:MOST]
    ]
    given = job.groups.order_by("name").values_list("pk", "name")[:MOST]
    return [
        *(Holder(name, True, ShareRight.ACT.value, group_id=pk) for pk, name in given),
        *found,
    ]


def share(job: Job, *, name: str, is_group: bool, right: str, actor: policy.Person) -> None:
    """Give a person or a group a right to a job; one who has a share gets this right instead.

    Args:
        job: The job.
        name: What the person (their user name) or the group is called.
        is_group: Whether a group is meant.
        right: ``view`` or ``act``.
        actor: Who shares it.

    Raises:
        NotPermitted: It is not the actor's to share.
        InvalidSpecification: There is no such right, or nobody is named.
        NotFound: Nobody is called so; the same for whoever was switched off.
        LimitExceeded: It is shared with too many already.
    """
    _require(actor, job)
    if right not in ShareRight.values:
        raise InvalidSpecification(
            _("A share lets somebody view the job, or act on it."), hint=_("Choose one of both.")
        )
    name = name.strip()
    if not name:
        raise InvalidSpecification(_("Nobody is named."), hint=_("Write a user's or group's name."))
    found = _group(name) if is_group else _person(name)
    if found is None:
        raise NotFound(
            _("There is nobody of that name to share with."),
            hint=_("Ask for the exact user name; capitals count."),
        )
    if not is_group and found.pk == job.user_id:
        raise InvalidSpecification(_("It is this person's job already."))
    whom = {"group": found} if is_group else {"user": found}
    with transaction.atomic():
        _lock(job)
        known = JobShare.objects.filter(job=job, **whom)
        if known.filter(right=right).exists():
            return
        if not known.update(right=right, by=actor.pk, at=timezone.now()):
            if JobShare.objects.filter(job=job).count() >= MOST:
                raise LimitExceeded(
                    _("A job can be shared with %(most)d people and groups.") % {"most": MOST},
                    hint=_("Share it with a group."),
                )
            made = JobShare.objects.create(
                job_id=job.pk, right=right, by_id=actor.pk, at=timezone.now(), **whom
            )
            if not is_group:
                outbox.of_share(made.pk, made.at)
        what = "view it" if right == ShareRight.VIEW else "view it and act on it"
        _tell(job, "share", f"Shared with {name}, who may {what}.", actor)


def unshare(
    job: Job, *, actor: policy.Person, share_id: int | None = None, group_id: int | None = None
) -> None:
    """Take a right to a job away; idempotent.

    Args:
        job: The job.
        actor: Who takes it.
        share_id: The share; or
        group_id: the group that the app gave the job.

    Raises:
        NotPermitted: It is not the actor's to share.
    """
    _require(actor, job)
    with transaction.atomic():
        _lock(job)
        if share_id is not None:
            share = JobShare.objects.filter(job=job, pk=share_id).select_related("user", "group")
            names = [_name(each) for each in share]
            share.delete()
        else:
            groups = list(job.groups.filter(pk=group_id))
            names = [group.name for group in groups]
            job.groups.remove(*groups)
        for name in names:
            _tell(job, "unshare", f"No longer shared with {name}.", actor)


def _name(share: JobShare) -> str:
    if share.group is not None:
        return share.group.name
    return share.user.get_username() if share.user is not None else ""


def _require(actor: policy.Person, job: Job) -> None:
    policy.require(actor, "view", job)
    if not policy.may_share(actor, job):
        raise NotPermitted(
            _("Only the job's owner may share it."), hint=_("Ask its owner or an administrator.")
        )


def _lock(job: Job) -> None:
    """Begin with a write, so that nobody else shares this job meanwhile."""
    if not Job.objects.filter(pk=job.pk).update(version=F("version")):
        raise NotFound(_("The job was deleted."))


def _person(name: str) -> Any:
    model = get_user_model()
    if not _can_be_a_name(name):
        return None
    people: Any = model._default_manager
    person = people.filter(**{model.USERNAME_FIELD: name}).first()
    return person if person is not None and person.is_active else None


def _group(name: str) -> Group | None:
    return Group.objects.filter(name=name).first() if _can_be_a_name(name) else None


def _can_be_a_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and "\0" not in name


def _tell(job: Job, verb: str, message: str, actor: policy.Person) -> None:
    told = events.job_event(
        job.pk, job.attempt, EventKind.NOTE, timezone.now(), message=message,
        actor=actor if isinstance(actor, AbstractBaseUser) else None,
    )  # fmt: skip
    events.write([told])
    audit.write(actor, verb, audit.Thing("job", str(job.pk), job.name), note=message)

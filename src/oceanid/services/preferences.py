"""What people want to be told of, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from oceanid.errors import IllegalTransition, InvalidSpecification
from oceanid.models import Channel, Job, JobWatch, NoticeKind, NoticePreference
from oceanid.services import policy

DEFAULTS: Mapping[str, frozenset[str]] = {
    NoticeKind.DONE.value: frozenset({Channel.PAGE.value}),
    NoticeKind.FAILED.value: frozenset({Channel.PAGE.value}),
    NoticeKind.HELD.value: frozenset({Channel.PAGE.value}),
    NoticeKind.STOPPED.value: frozenset(),
    NoticeKind.WORKFLOW.value: frozenset({Channel.PAGE.value}),
    NoticeKind.WATCHED.value: frozenset({Channel.PAGE.value, Channel.EMAIL.value}),
    NoticeKind.SHARED.value: frozenset({Channel.PAGE.value}),
    NoticeKind.SCHEDULER.value: frozenset(),
    NoticeKind.CLUSTER.value: frozenset({Channel.PAGE.value}),
}
OF_ADMINISTRATORS: Mapping[str, frozenset[str]] = {
    **DEFAULTS,
    NoticeKind.SCHEDULER.value: frozenset({Channel.PAGE.value}),
}
MOST_RUN_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Preference:
    """What somebody wants to be told of.

    Args:
        channels: For each kind, how.
        min_run_s: Of jobs that ended, only those that ran as long.
    """

    channels: Mapping[str, frozenset[str]]
    min_run_s: int = 0

    def of(self, kind: str) -> frozenset[str]:
        """How somebody is told of a kind."""
        return self.channels.get(kind, frozenset())


def of(user: Any) -> Preference:
    """A person's preference, or the default one."""
    return of_many([user])[user.pk]


def of_many(users: Iterable[Any]) -> dict[Any, Preference]:
    """The preferences of people: one query."""
    users = list(users)
    rows = NoticePreference.objects.in_bulk([user.pk for user in users])
    found = {}
    for user in users:
        row = rows.get(user.pk)
        is_super = getattr(user, "is_superuser", False)
        default = OF_ADMINISTRATORS if is_super else DEFAULTS
        if row is None:
            found[user.pk] = Preference(default)
            continue
        # A kind that came after the preference was saved is told of as by default.
        chosen = {
            kind: frozenset(row.channels[kind]) if kind in row.channels else default[kind]
            for kind in NoticeKind.values
        }
        found[user.pk] = Preference(chosen, row.min_run_s)
    return found


def save(
    user: AbstractBaseUser, channels: Mapping[str, Collection[str]], *, min_run_s: int
) -> None:
    """Keep what a person wants to be told of.

    Raises:
        InvalidSpecification: There is no such kind or channel, or the time makes no sense.
    """
    if not 0 <= min_run_s <= MOST_RUN_S:
        raise InvalidSpecification(
            _("The shortest run is from 0 seconds to a year."), hint=_("Write a whole number.")
        )
    chosen = {kind: sorted(set(channels.get(kind, ()))) for kind in NoticeKind.values}
    known = set(Channel.values)
    if set(channels) - set(chosen) or any(set(each) - known for each in chosen.values()):
        raise InvalidSpecification(_("There is no such kind of notice, or no such way to tell."))
    values = {"channels": chosen, "min_run_s": min_run_s}
    mine = NoticePreference.objects.filter(user=user.pk)
    if not mine.update(**values):
        row = NoticePreference(user_id=user.pk, **values)
        NoticePreference.objects.bulk_create([row], ignore_conflicts=True)


def is_watched(user: Any, job: Job) -> bool:
    """Whether a person wants to be told when a job ends."""
    return JobWatch.objects.filter(job=job, user=user.pk).exists()


def watch(user: Any, job: Job, *, wanted: bool) -> None:
    """Want, or want no more, to be told when a job ends; idempotent.

    Raises:
        NotFound: The job is not theirs to see.
        IllegalTransition: It has ended.
    """
    policy.require(user, "view", job)
    with transaction.atomic():
        if not wanted:
            JobWatch.objects.filter(job=job, user=user.pk).delete()
            return
        JobWatch.objects.bulk_create(
            [JobWatch(job_id=job.pk, user_id=user.pk)], ignore_conflicts=True
        )
        # Looked at behind the write, so that an end meanwhile is either seen here or told.
        state = Job.objects.filter(pk=job.pk).only("state").first()
        if state is None or state.job_state.is_final:
            raise IllegalTransition(
                _("The job has ended already."), hint=_("Resubmit it to run it again.")
            )


def who_wants(kind: NoticeKind) -> list[Any]:
    """The active people who are told of a kind that is no one's own, by any channel."""
    model = get_user_model()
    people = model._default_manager.filter(is_active=True)
    chosen = NoticePreference.objects.values_list("user_id", "channels")
    wanting = [pk for pk, channels in chosen.iterator() if channels.get(kind.value)]
    found = {user.pk: user for user in people.filter(pk__in=wanting)}
    if OF_ADMINISTRATORS[kind.value] and _has_superusers(model):
        undecided = people.filter(is_superuser=True).exclude(
            pk__in=NoticePreference.objects.values("user_id")
        )
        found |= {user.pk: user for user in undecided}
    return list(found.values())


def _has_superusers(model: Any) -> bool:
    return any(field.name == "is_superuser" for field in model._meta.get_fields())

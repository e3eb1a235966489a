"""Finds out whom the changes in the outbox concern, and gathers what each of them is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from oceanid import conf
from oceanid.models import (
    Channel,
    Job,
    JobWatch,
    NoticeKind,
    Outbox,
    Scheduler,
    Subject,
    Webhook,
)
from oceanid.services import policy, preferences, telling_clusters, telling_shares
from oceanid.services.preferences import Preference
from oceanid.services.schedulers import groups_of
from oceanid.states import JOB_FINAL, Health, JobState, Wanted

Item = dict[str, Any]
KINDS = {
    JobState.COMPLETE.value: NoticeKind.DONE,
    JobState.VARIOUS_COMPLETE.value: NoticeKind.FAILED,
    JobState.ERROR.value: NoticeKind.FAILED,
    JobState.ABORTED.value: NoticeKind.STOPPED,
    JobState.HELD.value: NoticeKind.HELD,
}
FINAL = frozenset(state.value for state in JOB_FINAL)
NAME_LENGTH = 200
OF_JOBS = (
    "pk", "uuid", "user_id", "name", "app", "type", "num_jobs", "attempt", "wanted",
    "start_time", "state",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where somebody is told: a person, a channel, and of webhooks which one."""

    user_id: Any
    channel: str
    webhook_id: int | None = None


@dataclass(slots=True)
class Gathered:
    """What changes come to.

    Args:
        told: For each target what it is told, in order.
        watched: The wishes to be told of a job's end that are fulfilled by it.
    """

    told: dict[Target, list[Item]] = field(default_factory=lambda: defaultdict(list))
    watched: list[int] = field(default_factory=list)


def gather(changes: Sequence[Outbox]) -> Gathered:
    """Whom these changes concern: a fixed number of queries, and one more for each person who
    follows somebody else's job."""
    of_jobs = [each for each in changes if each.subject == Subject.JOB]
    jobs = _jobs({each.subject_id for each in of_jobs})
    ended = [each.subject_id for each in of_jobs if each.after in FINAL]
    watches = list(JobWatch.objects.filter(job_id__in=ended).values_list("pk", "job_id", "user_id"))
    people = _people({job["user_id"] for job in jobs.values()} | {row[2] for row in watches})
    wanted = preferences.of_many(list(people.values()))
    watchers = _watchers(watches, people, jobs)
    found = Gathered(watched=[pk for pk, _job, _user in watches])
    addressed: list[tuple[Any, frozenset[str], Item]] = []  # the person, how, and what
    for change in of_jobs:
        job = jobs.get(change.subject_id)
        if job is None or job["wanted"] == Wanted.DELETE:
            continue
        item = _of_job(change, job)
        for user_id in dict.fromkeys([job["user_id"], *watchers[change.subject_id]]):
            if user_id not in people:
                continue
            watches_it = user_id in watchers[change.subject_id] and change.after in FINAL
            is_owner = user_id == job["user_id"]
            preference = wanted[user_id]
            channels = _channels(preference, change, job) if is_owner else frozenset()
            if watches_it:
                channels |= preference.of(NoticeKind.WATCHED)
            addressed.append((people[user_id], channels, item))
    addressed += _of_schedulers(changes)
    addressed += telling_clusters.addressed(changes)
    addressed += telling_shares.addressed(changes)
    hooks = _hooks({user.pk for user, channels, _item in addressed if Channel.WEBHOOK in channels})
    for user, channels, item in addressed:
        for target in _targets(user, channels, hooks):
            found.told[target].append(item)
    return found


def mail_address(user: Any) -> str:
    """Where a person's e-mails go; "" when they have none, or the site sends none."""
    if not conf.current().notifications.email:
        return ""
    return str(getattr(user, user.get_email_field_name(), "") or "")


def _jobs(keys: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    rows = Job.objects.filter(pk__in=keys).order_by().values(*OF_JOBS)
    return {row["pk"]: row for row in rows}


def _people(keys: Iterable[Any]) -> dict[Any, Any]:
    model = get_user_model()
    return {user.pk: user for user in model._default_manager.filter(pk__in=keys, is_active=True)}


def _watchers(
    watches: Sequence[tuple[int, int, Any]],
    people: Mapping[Any, Any],
    jobs: Mapping[int, Mapping[str, Any]],
) -> defaultdict[int, set[Any]]:
    """Who follows which job, and may still see it."""
    followed: defaultdict[Any, set[int]] = defaultdict(set)
    for _pk, job_id, user_id in watches:
        if user_id in people and job_id in jobs:
            followed[user_id].add(job_id)
    found: defaultdict[int, set[Any]] = defaultdict(set)
    for user_id, keys in followed.items():
        theirs = {key for key in keys if jobs[key]["user_id"] == user_id}
        others = keys - theirs
        if others:
            visible = policy.visible_jobs(people[user_id]).filter(pk__in=others)
            theirs |= set(visible.order_by().values_list("pk", flat=True))
        for key in theirs:
            found[key].add(user_id)
    return found


def _channels(preference: Preference, change: Outbox, job: Mapping[str, Any]) -> frozenset[str]:
    """How the owner is told of a change of a job."""
    if change.after in FINAL and _ran_s(change.at, job["start_time"]) < preference.min_run_s:
        return frozenset()
    if job["type"] == "CONDORWORKFLOW" and change.after != JobState.ABORTED:
        return preference.of(NoticeKind.WORKFLOW)
    return preference.of(KINDS[change.after])


def _ran_s(end: datetime, start: datetime | None) -> float:
    return 0.0 if start is None else (end - start).total_seconds()


def _of_job(change: Outbox, job: Mapping[str, Any]) -> Item:
    return {
        "subject": Subject.JOB.value,
        "id": change.subject_id,
        "uuid": str(job["uuid"]),
        "name": job["name"][:NAME_LENGTH],
        "app": job["app"],
        "attempt": change.attempt,
        "before": _word(change.before),
        "word": _word(change.after),
        "state": change.after,
        "at": change.at.isoformat(),
        "message": change.message,
    }


def _word(code: str) -> str:
    return JobState(code).word if code in set(JobState) else code


def _of_schedulers(changes: Sequence[Outbox]) -> Iterator[tuple[Any, frozenset[str], Item]]:
    of_schedulers = [each for each in changes if each.subject == Subject.SCHEDULER]
    if not of_schedulers:
        return
    records = Scheduler.objects.in_bulk([each.subject_id for each in of_schedulers])
    people = preferences.who_wants(NoticeKind.SCHEDULER)
    wanted = preferences.of_many(people)
    for change in of_schedulers:
        record = records.get(change.subject_id)
        if record is None:
            continue
        is_away = change.after == Health.UNREACHABLE
        item = {
            "subject": Subject.SCHEDULER.value,
            "id": record.pk,
            "uuid": str(record.uuid),
            "name": record.name,
            "word": "Unreachable" if is_away else "Reachable",
            "state": change.after,
            "at": change.at.isoformat(),
            "message": change.message,
        }
        allowed = set(groups_of(record.parent_id or record.pk))
        for user in people:
            if _may_know(user, record, allowed):
                yield user, wanted[user.pk].of(NoticeKind.SCHEDULER), item


def _may_know(user: Any, record: Scheduler, allowed: set[int]) -> bool:
    """Whether a person may use the scheduler; of accounts only its person and superusers."""
    if getattr(user, "is_superuser", False):
        return True
    if record.person_id is not None:
        return bool(record.person_id == user.pk)
    return not allowed or user.groups.filter(pk__in=allowed).exists()


def _hooks(users: set[Any]) -> defaultdict[Any, list[int]]:
    found: defaultdict[Any, list[int]] = defaultdict(list)
    if not users or not conf.current().notifications.webhooks:
        return found
    enabled = Webhook.objects.filter(user__in=list(users), enabled=True)
    for user_id, pk in enabled.order_by("pk").values_list("user_id", "pk"):
        found[user_id].append(pk)
    return found


def _targets(
    user: Any, channels: frozenset[str], hooks: Mapping[Any, list[int]]
) -> Iterator[Target]:
    for channel in sorted(channels):
        if channel == Channel.WEBHOOK:
            for pk in hooks.get(user.pk, ()):
                yield Target(user.pk, channel, pk)
        elif channel != Channel.EMAIL or mail_address(user):
            yield Target(user.pk, channel)

"""Actions on very many jobs: asked for, counted, confirmed, applied in portions, cancelled.

A request only writes the wish down. The supervisor first counts what would happen to each job, and
once that was confirmed does it, a portion a transaction: the jobs, what came of each, and how far
it got are committed together, so that a crash leaves nothing undone and does nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from oceanid.errors import (
    IllegalTransition,
    InvalidSpecification,
    LeaseLost,
    NotFound,
    OceanidError,
)
from oceanid.models import BulkAction, BulkResult, BulkState, BulkVerb, Job
from oceanid.models.bulk import WORKED_ON
from oceanid.services import audit, listing, policy
from oceanid.services import jobs as wishes
from oceanid.services.asked import SINCE, Asked
from oceanid.services.bulk import insert_many
from oceanid.services.foresight import FIELDS, Foresight, Outcome, Seen, counted
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import BULK, wake

log = logging.getLogger(__name__)

MOST_IDS = 1000
LOOKED_AT_ONCE = 20_000
APPLIED_AT_ONCE = 50
KEPT_UNCONFIRMED = timedelta(days=1)
KEPT = timedelta(days=30)
RESULT_COLUMNS = ("action_id", "job_id", "name", "outcome", "message")
Wish = Callable[..., None]


def on_these(user: policy.Person, verb: str, job_ids: Sequence[int]) -> BulkAction:
    """Ask for an action on certain jobs; nothing happens until it is confirmed.

    Raises:
        InvalidSpecification: There is no such action, or no job, or too many.
    """
    ids = sorted(set(job_ids))
    if not ids or len(ids) > MOST_IDS:
        raise InvalidSpecification(
            _("Between 1 and %(most)d jobs can be selected.") % {"most": MOST_IDS},
            hint=_("Select some, or all that match."),
        )
    return _written(user, verb, Asked(), ids)


def on_all(user: policy.Person, verb: str, asked: Asked) -> BulkAction:
    """Ask for an action on all jobs of an address that are there now.

    Raises:
        InvalidSpecification: There is no such action, or no job that matches.
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    asked = _fixed_in_time(asked)
    ids = listing.few_ids(asked, user)
    if ids is not None and not ids:
        raise InvalidSpecification(_("No job matches any more."), hint=_("Loosen a filter."))
    return _written(user, verb, asked, ids)


def confirm(action: BulkAction) -> None:
    """Let it begin.

    Raises:
        IllegalTransition: It is not waiting for that.
    """
    ready = BulkAction.objects.filter(pk=action.pk, state=BulkState.READY)
    with transaction.atomic():
        begun = ready.update(
            state=BulkState.RUNNING, cursor=0, outcomes={}, confirmed_at=timezone.now()
        )
        if not begun:
            raise IllegalTransition(_("It was begun already."), hint=_("Look at its page."))
        _told(action, action.verb, sum(action.foreseen.values()))
        wake(BULK)
    action.refresh_from_db()


def cancel(action: BulkAction) -> None:
    """Stop it where it is; what was done stays done. Idempotent."""
    is_open = [BulkState.COUNTING, BulkState.READY, BulkState.RUNNING]
    rows = BulkAction.objects.filter(pk=action.pk, state__in=is_open)
    with transaction.atomic():
        if rows.update(state=BulkState.CANCELLED, ended_at=timezone.now()):
            action.refresh_from_db()
            _told(action, "cancel", sum(action.outcomes.values()))
    action.refresh_from_db()


def found(user: policy.Person, uuid: Any) -> BulkAction:
    """A person's own bulk action.

    Raises:
        NotFound: They have none with this identity.
    """
    action = BulkAction.objects.filter(uuid=uuid, actor=user.pk).first()
    if action is None:
        raise NotFound(_("You have no such bulk action."), hint=_("It may be too long ago."))
    return action


def preview(action: BulkAction, user: policy.Person, *, asked: Asked) -> listing.Listing:
    """One page of the jobs that an action is about.

    Args:
        action: The action.
        user: Whose it is.
        asked: Where the page is.
    """
    if action.job_ids is not None:
        return listing.of_ids(action.job_ids, user, asked)
    placed = replace(Asked.read(action.parameters), sort="", columns="")
    placed = replace(placed, after=asked.after, before=asked.before, at=asked.at)
    return listing.read(placed, user, until_id=action.upper_id)


def waiting() -> list[int]:
    """The numbers of the actions that the supervisor is to see to, the oldest first."""
    work = BulkAction.objects.filter(state__in=WORKED_ON).order_by("id")
    return list(work.values_list("pk", flat=True)[:50])


def advance(hold: Hold, action_id: int) -> bool:
    """Take one action a portion further; True while there is more to do about it."""
    action = BulkAction.objects.select_related("actor").filter(pk=action_id).first()
    if action is None or action.state not in WORKED_ON:
        return False
    try:
        with transaction.atomic(), audit.coming_from(action.origin):
            guard(hold)
            return _count(action) if action.state == BulkState.COUNTING else _apply(action)
    except (DatabaseError, LeaseLost):
        raise
    except Exception as problem:
        told = str(problem) if isinstance(problem, PermissionDenied | OceanidError) else ""
        if not told:
            log.exception("A bulk action failed.", extra={"action": "bulk.failed"})
            told = _("Something went wrong; it is in the log.")
        with transaction.atomic():
            guard(hold)
            _move(action, state=BulkState.FAILED, message=told, ended_at=timezone.now())
        return False


def forget(hold: Hold) -> None:
    """Remove actions that were never confirmed, and those that ended long ago, in portions."""
    now = timezone.now()
    old = BulkAction.objects.filter(ended_at__lt=now - KEPT).values_list("pk", flat=True)
    unconfirmed = BulkAction.objects.filter(
        state=BulkState.READY, created_at__lt=now - KEPT_UNCONFIRMED
    )
    for pk in [*old[:100], *unconfirmed.values_list("pk", flat=True)[:100]]:
        while True:
            some = BulkResult.objects.filter(action=pk).values_list("pk", flat=True)
            keys = list(some[:LOOKED_AT_ONCE])
            with transaction.atomic():
                guard(hold)
                if not keys:
                    BulkAction.objects.filter(pk=pk).delete()
                    break
                BulkResult.objects.filter(pk__in=keys)._raw_delete("default")


def _written(user: policy.Person, verb: str, asked: Asked, ids: list[int] | None) -> BulkAction:
    if verb not in BulkVerb.values:
        raise InvalidSpecification(_("There is no such action."), hint=", ".join(BulkVerb.values))
    last = Job.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    action = BulkAction(
        actor_id=_key(user),
        verb=verb,
        state=BulkState.COUNTING if ids is None else BulkState.READY,
        parameters=asked.parameters,
        job_ids=ids,
        upper_id=last,
        origin=audit.origin(),
    )
    if ids is not None:
        action.foreseen = _foreseen_of(ids, action, user)
    with transaction.atomic():
        action.save(force_insert=True)
        wake(BULK)
    return action


def _told(action: BulkAction, verb: str, count: int) -> None:
    name = ngettext("%(n)d job", "%(n)d jobs", count) % {"n": count}
    audit.write(action.actor, verb, audit.Thing("bulkaction", str(action.pk), name))


def _key(user: policy.Person) -> Any:
    return user.pk


def _foreseen_of(ids: list[int], action: BulkAction, user: policy.Person) -> dict[str, int]:
    seen = [Seen(*row) for row in policy.visible_jobs(user).filter(pk__in=ids).values_list(*FIELDS)]
    outcomes = Foresight(action.verb, user).each(seen)
    gone = {Outcome.GONE.value: len(ids) - len(outcomes)} if len(ids) > len(outcomes) else {}
    return counted(outcomes.values()) | gone


def _count(action: BulkAction) -> bool:
    upper = min(action.upper_id, action.cursor + LOOKED_AT_ONCE)
    jobs = listing.among(
        Asked.read(action.parameters), action.actor, after=action.cursor, until=upper
    )
    outcomes = Foresight(action.verb, action.actor).each(
        Seen(*row) for row in jobs.values_list(*FIELDS)
    )
    is_over = upper >= action.upper_id
    state = BulkState.READY if is_over else BulkState.COUNTING
    sums = _added(action.foreseen, counted(outcomes.values()))
    return _move(action, foreseen=sums, cursor=upper, state=state) and not is_over


def _apply(action: BulkAction) -> bool:
    portion = _portion(action)
    foresight = Foresight(action.verb, action.actor).each(Seen.of(job) for job in portion.jobs)
    # First of all: whoever cancelled, or another supervisor, was faster, and nothing is done.
    if not _move(action, cursor=portion.upper):
        return False
    wish: Wish = getattr(wishes, action.verb)
    rows = [_done(action, job, foresight[job.pk], wish) for job in portion.jobs]
    there = {job.pk for job in portion.jobs}
    gone = Outcome.GONE
    rows += [(action.pk, pk, "", gone.value, "") for pk in portion.given if pk not in there]
    insert_many(BulkResult, RESULT_COLUMNS, rows)
    sums = _added(action.outcomes, counted([Outcome(row[3]) for row in rows]))
    ended = {"state": BulkState.DONE, "ended_at": timezone.now()} if portion.is_last else {}
    _move(action, outcomes=sums, **ended)
    return not portion.is_last


@dataclass(frozen=True, slots=True)
class _Portion:
    """What is done in one transaction.

    Args:
        jobs: The jobs that are there.
        given: The numbers that were named, whether there is such a job or not.
        upper: Up to which number it reaches.
        is_last: Whether nothing comes after it.
    """

    jobs: list[Job]
    given: list[int]
    upper: int
    is_last: bool


def _portion(action: BulkAction) -> _Portion:
    if action.job_ids is not None:
        left = [pk for pk in action.job_ids if pk > action.cursor]
        ids = left[:APPLIED_AT_ONCE]
        jobs = list(policy.visible_jobs(action.actor).filter(pk__in=ids).order_by("pk"))
        upper = ids[-1] if ids else action.cursor
        return _Portion(jobs, ids, upper, len(left) <= APPLIED_AT_ONCE)
    asked = Asked.read(action.parameters)
    upper = min(action.upper_id, action.cursor + LOOKED_AT_ONCE)
    within = listing.among(asked, action.actor, after=action.cursor, until=upper)
    jobs = list(within.order_by("pk")[:APPLIED_AT_ONCE])
    if len(jobs) == APPLIED_AT_ONCE:
        upper = jobs[-1].pk
    return _Portion(jobs, [], upper, upper >= action.upper_id)


def _done(
    action: BulkAction, job: Job, outcome: Outcome, wish: Wish
) -> tuple[int, int, str, str, str]:
    pk, name, message = job.pk, job.name[:200], ""
    if outcome is Outcome.DONE:
        try:
            with transaction.atomic():
                wish(job, actor=action.actor)
        except OceanidError as problem:
            outcome, message = Outcome.REFUSED, str(problem)[:500]
        except DatabaseError:
            raise
        except Exception:
            # One odd job must not keep the others waiting.
            log.exception(
                "A bulk action failed on job %s.", pk, extra={"action": "bulk.failed", "job": pk}
            )
            outcome, message = Outcome.REFUSED, _("Something went wrong; it is in the log.")
    return action.pk, pk, name, outcome.value, message


def _move(action: BulkAction, **values: Any) -> bool:
    """Write how far an action is, if it is where it was when it was read."""
    rows = BulkAction.objects.filter(pk=action.pk, state=action.state, cursor=action.cursor)
    if not rows.update(**values):
        return False
    for name, value in values.items():
        setattr(action, name, value)
    return True


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _fixed_in_time(asked: Asked) -> Asked:
    """“The last 24 hours” are those before now, however long it takes."""
    if asked.since not in SINCE:
        return asked
    return replace(asked, since=(timezone.now() - SINCE[asked.since][1]).isoformat())

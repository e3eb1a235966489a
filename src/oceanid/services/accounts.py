"""Cloud accounts: kept, made the default, tested; their secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from oceanid.clouds.base import Problems
from oceanid.clouds.registry import cloud_class, title_of
from oceanid.clouds.specs import AccountSpec
from oceanid.errors import (
    CloudUnavailable,
    IllegalTransition,
    InvalidSettings,
    InvalidValue,
    OceanidError,
)
from oceanid.models import CloudAccount, Cluster
from oceanid.services import audit, policy
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import CLOUD, wake
from oceanid.specs import CheckReport, Step
from oceanid.states import Health

TEST = "oceanid.test_cloudaccount"
UNKNOWN: Mapping[str, Any] = {
    "report": [], "health": Health.UNKNOWN.value, "health_message": "", "checked_at": None,
}  # fmt: skip


def default_account(cloud: str) -> CloudAccount:
    """The default account of a cloud; one that is not saved yet when there is none."""
    found = CloudAccount.objects.defer("secrets").filter(cloud=cloud, is_default=True).first()
    return found or CloudAccount(cloud=cloud, name=title_of(cloud), is_default=True)


def problems(
    account: CloudAccount, config: Mapping[str, Any], secrets: Mapping[str, str]
) -> Problems:
    """What of these values the account's cloud can't use, by field; see :class:`Cloud`."""
    return cloud_class(account.cloud).account_problems(config, secrets)


def remarks(account: CloudAccount) -> tuple[str, ...]:
    """What a person should know of an account as it is: when something expires."""
    try:
        cloud = cloud_class(account.cloud)
        return cloud.account_remarks(account.config, account.secrets or {})
    except OceanidError:
        return ()  # told by its problems


def kept_secrets(account: CloudAccount) -> tuple[dict[str, str], OceanidError | None]:
    """What is stored, and why it can't be read: then nothing of it is known, and it is given
    anew or forgotten."""
    try:
        return dict(account.secrets or {}), None
    except InvalidSettings as problem:
        return {}, problem


def merged(kept: Mapping[str, str], given: Mapping[str, str], *, forget: bool) -> dict[str, str]:
    """The secrets after an edit: those given, and the others as they were unless forgotten."""
    found = {name: value for name, value in given.items() if value}
    return found if forget else {**kept, **found}


def save(
    account: CloudAccount,
    actor: Any,
    *,
    given: Mapping[str, str] | None = None,
    forget: bool = False,
) -> CloudAccount:
    """Keep an account; the first of a cloud is its default.

    Args:
        account: With its name and options; what it holds as secrets does not count.
        actor: Who did it.
        given: The secrets that were typed in; the others stay as they are.
        forget: Whether all the others are forgotten instead.

    Raises:
        InvalidValue: A value can't be used, or the name is taken; nothing was kept.
        CloudMissing: The cloud is not installed.
    """
    with transaction.atomic():
        audit.begin()
        rows = CloudAccount.objects.select_for_update().defer("secrets")
        before = rows.filter(pk=account.pk).first()
        kept, unreadable = kept_secrets(before) if before else ({}, None)
        if unreadable is not None and not forget:
            raise unreadable
        account.secrets = merged(kept, given or {}, forget=forget)
        for problem in problems(account, account.config, account.secrets).values():
            raise problem
        if before is None:
            others = CloudAccount.objects.filter(cloud=account.cloud, is_default=True)
            account.is_default = not others.exists()
        changes = audit.differences(
            audit.describe(before) if before else {}, audit.describe(account)
        )
        if before is not None and not changes:
            return account
        for name, value in UNKNOWN.items():
            setattr(account, name, value)  # what was found is not true of the new values
        is_waited_for = before is not None and before.check_wanted_at is not None
        account.check_wanted_at = timezone.now() if is_waited_for else None
        _write(account)
        verb = "add" if before is None else "change"
        audit.write(actor, verb, audit.Thing.of(account), changes=changes)
    return account


def _write(account: CloudAccount) -> None:
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as problem:
        same = CloudAccount.objects.filter(cloud=account.cloud, name=account.name)
        if same.exclude(pk=account.pk).exists() or not account.is_default:
            raise InvalidValue(
                "There is an account “{name}” of this cloud already.",
                hint="Give it another name.",
                name=account.name,
            ) from problem
        account.is_default = False  # somebody else has just made the cloud's first
        _write(account)


def make_default(account: CloudAccount, actor: Any) -> None:
    """Make this the account that Settings edit, and that new clusters are offered first."""
    with transaction.atomic():
        audit.begin()
        rows = CloudAccount.objects.filter(cloud=account.cloud)
        list(rows.select_for_update().order_by("pk").values_list("pk"))  # one after the other
        rows.filter(is_default=True).update(is_default=False)
        rows.filter(pk=account.pk).update(is_default=True)
        audit.write(actor, "make-default", audit.Thing.of(account))
    account.is_default = True


def why_it_stays(account: CloudAccount) -> OceanidError | None:
    """Why an account can't be deleted; None when it can."""
    if Cluster.objects.filter(account=account).exists():
        return IllegalTransition(
            "“{name}” has clusters.",
            hint="Delete these first, or keep the account.",
            name=account.name,
        )
    if account.is_default:
        return IllegalTransition(
            "“{name}” is the default account.",
            hint="Make another one the default first, or let its secrets be forgotten.",
            name=account.name,
        )
    return None


def delete(account: CloudAccount, actor: Any) -> None:
    """Remove an account with its secrets; nothing in the cloud is touched.

    Raises:
        IllegalTransition: See :func:`why_it_stays`.
    """
    with transaction.atomic():
        audit.begin()
        row = CloudAccount.objects.select_for_update().defer("secrets").get(pk=account.pk)
        if problem := why_it_stays(row):
            raise problem
        changes = audit.differences(audit.describe(row), {})
        thing = audit.Thing.of(row)
        row.delete()
        audit.write(actor, "delete", thing, changes=changes)


def want_check(account: CloudAccount, actor: Any) -> None:
    """Ask for a look at an account; a supervisor makes it and writes down what it finds.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: It has not been saved yet.
    """
    policy.require_permission(actor, TEST, "have a cloud account tested")
    if account.pk is None:
        raise IllegalTransition("There is nothing to be tested yet.", hint="Save it first.")
    with transaction.atomic():
        CloudAccount.objects.filter(pk=account.pk).update(check_wanted_at=timezone.now())
        audit.write(actor, "test", audit.Thing.of(account))
        wake(CLOUD)


def wanted() -> list[tuple[int, datetime]]:
    """The accounts that somebody wants to be looked at, and since when."""
    rows = CloudAccount.objects.filter(check_wanted_at__isnull=False)
    found = rows.order_by("check_wanted_at").values_list("pk", "check_wanted_at")
    return [(pk, since) for pk, since in found if since is not None]


def spec_of(account_id: int) -> tuple[str, AccountSpec]:
    """The cloud of an account and what the cloud needs to know of it.

    Raises:
        InvalidSettings: Its secrets can't be decrypted.
    """
    row = CloudAccount.objects.get(pk=account_id)
    spec = AccountSpec(row.uuid, row.name, dict(row.config), dict(row.secrets or {}))
    return row.cloud, spec


def report(hold: Hold, account_id: int, found: CheckReport, *, wanted: datetime) -> None:
    """Write down what a look came to; the wish of that moment is fulfilled.

    What was found of values that somebody has changed since is not written down.
    """
    with transaction.atomic():
        guard(hold)
        rows = CloudAccount.objects.filter(pk=account_id, check_wanted_at=wanted)
        rows.update(
            report=[asdict(step) for step in found.steps],
            health=found.health.value,
            health_message=found.message[:2000],
            checked_at=timezone.now(),
            check_wanted_at=None,
        )


def report_failure(hold: Hold, account_id: int, problem: Exception, *, wanted: datetime) -> None:
    """Write down that a look failed altogether."""
    told = (
        problem
        if isinstance(problem, OceanidError)
        else OceanidError(str(problem) or type(problem).__name__)
    )
    steps: Sequence[Step] = (Step("check", False, told.message, told.hint),)
    is_away = isinstance(problem, CloudUnavailable)
    health = Health.UNREACHABLE if is_away else Health.DEGRADED
    report(hold, account_id, CheckReport(health, tuple(steps)), wanted=wanted)

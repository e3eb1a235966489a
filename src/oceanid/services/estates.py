"""What a cloud account holds with our tags: surveyed when wanted, then adopted or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Estate
from oceanid.errors import IllegalTransition, OceanidError
from oceanid.models import CloudAccount, Cluster, ClusterEvent, FoundEstate, Part, Setting
from oceanid.services import audit, policy
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import CLOUD, wake
from oceanid.states import ClusterState, ClusterWanted

AUDIT: Final = "oceanid.audit_cloud"
MACHINES: Final = frozenset({"instance", "machine", "virtual-machine", "virtualmachines", "vm"})
"""What clouds call machines, in small letters."""

NEEDED: Final = ("region", "master_type", "master_image", "node_type", "node_image")
"""What must be known of a cluster to go on with it."""

NAME_LENGTH: Final = 40
Verdict = FoundEstate.Verdict
LOOSE: Final = frozenset({Verdict.ORPHANED.value, Verdict.LEAKING.value})
"""What costs and belongs to nobody."""


def want_survey(account: CloudAccount, actor: Any) -> None:
    """Ask what there is in an account; a supervisor looks and writes down what it finds.

    Raises:
        NotPermitted: The person may not.
    """
    _require(actor, "look for what is left in a cloud account")
    with transaction.atomic():
        audit.begin()
        CloudAccount.objects.filter(pk=account.pk).update(survey_wanted_at=timezone.now())
        audit.write(actor, "survey", audit.Thing.of(account))
        wake(CLOUD)


def wanted() -> list[tuple[int, datetime]]:
    """The accounts that somebody wants to be surveyed, and since when."""
    rows = CloudAccount.objects.filter(survey_wanted_at__isnull=False)
    found = rows.order_by("survey_wanted_at").values_list("pk", "survey_wanted_at")
    return [(pk, since) for pk, since in found if since is not None]


def report(hold: Hold, account_id: int, found: Sequence[Estate], *, wanted: datetime) -> None:
    """Write down what a survey found; the wish of that moment is fulfilled.

    Raises:
        LeaseLost: Another supervisor looks at the clouds.
    """
    now = timezone.now()
    with transaction.atomic():
        guard(hold)
        portal = Setting.objects.filter(part=Part.CLUSTER.value).values_list("identity", flat=True)
        ours = portal.first()
        known = set(
            Cluster.objects.filter(uuid__in=[each.cluster for each in found]).values_list(
                "uuid", flat=True
            )
        )
        for each in found:
            FoundEstate.objects.update_or_create(
                account_id=account_id,
                cluster_uuid=each.cluster,
                defaults={
                    "name": each.name[:100],
                    "portal": each.portal,
                    "region": each.region[:50],
                    "verdict": verdict(each, known=each.cluster in known, ours=ours).value,
                    "blueprint": blueprints.written(each.blueprint),
                    "resources": [asdict(resource) for resource in each.resources],
                    "found_at": now,
                    "problem": "",
                },
            )
        gone = FoundEstate.objects.filter(account_id=account_id)
        gone.exclude(cluster_uuid__in=[each.cluster for each in found]).delete()
        rows = CloudAccount.objects.filter(pk=account_id)
        rows.update(surveyed_at=now, survey_problem="")
        rows.filter(survey_wanted_at=wanted).update(survey_wanted_at=None)


def report_failure(hold: Hold, account_id: int, problem: Exception, *, wanted: datetime) -> None:
    """Write down that a survey failed; what an earlier one found stays."""
    told = str(problem) if isinstance(problem, OceanidError) else (
        f"{type(problem).__name__}: {problem}"
    )  # fmt: skip
    with transaction.atomic():
        guard(hold)
        rows = CloudAccount.objects.filter(pk=account_id)
        rows.update(survey_problem=told[:2000])
        rows.filter(survey_wanted_at=wanted).update(survey_wanted_at=None)


def verdict(estate: Estate, *, known: bool, ours: UUID | None) -> Verdict:
    """What something in an account is: of a cluster that is known here, of one that nothing knows
    any more, the rest of one that is no more, or another portal's."""
    if known:
        return Verdict.KNOWN
    if estate.portal is not None and estate.portal != ours:
        return Verdict.FOREIGN
    has_machines = any(each.kind.lower() in MACHINES for each in estate.resources)
    return Verdict.ORPHANED if has_machines else Verdict.LEAKING


def machines_of(estate: FoundEstate) -> int:
    """How many machines it has."""
    return sum(str(each.get("kind")).lower() in MACHINES for each in estate.resources)


def why_not(estate: FoundEstate, verb: str, *, force: bool = False) -> OceanidError | None:
    """Why something that was found can't be adopted or deleted; None when it can.

    Args:
        estate: What was found.
        verb: ``adopt`` or ``delete``.
        force: Whether the portal that made it is known to be no more.
    """
    if estate.verdict == Verdict.KNOWN or estate.wish:
        return IllegalTransition(
            "“{name}” is a cluster of this portal.", hint="Use its own page.", name=estate.name
        )
    if estate.verdict == Verdict.FOREIGN and not force:
        return IllegalTransition(
            "“{name}” belongs to another portal, which may be using it.",
            hint="Do it there; or say that the other portal is no more.",
            name=estate.name,
        )
    if verb == "adopt" and not machines_of(estate):
        return IllegalTransition(
            "There is no machine left of “{name}”.",
            hint="Delete what is left of it.",
            name=estate.name,
        )
    if verb == "adopt" and not all(estate.blueprint.get(name) for name in NEEDED):
        return IllegalTransition(
            "The account does not tell what “{name}” is made of.",
            hint="Delete it, and create another one.",
            name=estate.name,
        )
    return None


def adopt(estate: FoundEstate, actor: Any, *, force: bool = False) -> Cluster:
    """Make something that was found a cluster of this portal again, of the size that it has.

    Its keys are not known any more: its supervisor replaces the master, and workers that can't
    join the new one.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: See :func:`why_not`.
    """
    return _take(estate, actor, "adopt", ClusterWanted.RUN, force=force)


def delete(estate: FoundEstate, actor: Any, *, force: bool = False) -> Cluster:
    """Want nothing of something that was found to be left; its row shows how far that is.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: See :func:`why_not`.
    """
    return _take(estate, actor, "delete", ClusterWanted.DELETE, force=force)


def _take(
    estate: FoundEstate, actor: Any, verb: str, wanted: ClusterWanted, *, force: bool
) -> Cluster:
    _require(actor, f"{verb} what was found in a cloud account")
    with transaction.atomic():
        audit.begin()
        row = FoundEstate.objects.select_for_update().select_related("account").get(pk=estate.pk)
        if problem := why_not(row, verb, force=force):
            raise problem
        cluster = _cluster(row, wanted)
        FoundEstate.objects.filter(pk=row.pk).update(
            wish=verb, wished_at=timezone.now(), verdict=Verdict.KNOWN.value
        )
        note = f"{verb.capitalize()} what was found of it in the account “{row.account.name}”."
        changes: list[Mapping[str, str]] = [
            {"field": "found", "before": "", "after": f"{len(row.resources)} resources"}
        ]
        audit.write(actor, f"{verb}-found", audit.Thing.of(cluster), changes=changes, note=note)
        ClusterEvent.objects.create(
            cluster=cluster, kind="intent", at=timezone.now(), message=note, actor=actor
        )
        wake(CLOUD)
    return cluster


def _cluster(row: FoundEstate, wanted: ClusterWanted) -> Cluster:
    """The row by which a supervisor drives it from now on."""
    made = row.blueprint
    is_deleted = wanted is ClusterWanted.DELETE
    state = ClusterState.DELETING if is_deleted else ClusterState.CREATING
    return Cluster.objects.create(
        uuid=row.cluster_uuid,
        account=row.account,
        name=_free_name(row),
        size=max(1, machines_of(row)),
        region=str(made.get("region") or row.region),
        zones=list(made.get("zones") or []),
        master_image=str(made.get("master_image") or ""),
        master_type=str(made.get("master_type") or ""),
        node_image=str(made.get("node_image") or ""),
        node_type=str(made.get("node_type") or ""),
        spot=bool(made.get("spot")),
        network=str(made.get("network") or ""),
        resource_group="" if made.get("has_own_group", True) else (
            str(made.get("resource_group") or "")
        ),
        blueprint=made,
        wanted=wanted.value,
        force=is_deleted,
        state=state.value,
        state_since=timezone.now(),
    )  # fmt: skip


def _free_name(row: FoundEstate) -> str:
    """Its name, or one with its identity where another cluster has that name."""
    name = row.name[:NAME_LENGTH] or "found"
    taken = Cluster.objects.filter(account=row.account, name=name)
    return f"{name[:31]}-{row.cluster_uuid.hex[:8]}" if taken.exists() else name


def _require(actor: Any, what: str) -> None:
    if actor is not None:
        policy.require_permission(actor, AUDIT, what)

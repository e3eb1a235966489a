"""Machines that end, stop and start in Azure, by their names."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oceanid.clouds.azure.names import Names, last_of
from oceanid.clouds.azure.operations import begun, carried
from oceanid.clouds.azure.orders import Orders, end_members, end_order
from oceanid.clouds.azure.refusals import Missing
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Claim
from oceanid.states import Role

LEAST_AGE: Final = timedelta(hours=1)
"""An empty set stays this long, for an order that is given again to be known by."""


async def terminated(session: Session, claim: Claim, machines: tuple[str, ...]) -> None:
    """End machines; sets that have been empty for long go as well."""
    names = Names(session.subscription, claim)
    wanted = set(machines)
    by_set: defaultdict[str, list[str]] = defaultdict(list)
    for name, (inside, state) in (await _ours(session, names)).items():
        if name not in wanted or state == "Deleting":
            continue
        if inside:
            by_set[inside].append(name)
        else:
            await end_order(session, names, name, Role.MASTER)
    for inside, members in sorted(by_set.items()):
        await end_members(session, names, inside, tuple(members))
    await _end_those_that_never_came(session, names, wanted)
    await _sweep(session, names)


async def stopped(session: Session, claim: Claim, machines: tuple[str, ...]) -> None:
    """Deallocate machines: one call each, for a set of this kind can't be told to as a whole
    (https://learn.microsoft.com/azure/virtual-machine-scale-sets/orchestration-modes-api-comparison).
    """
    names = Names(session.subscription, claim)
    there = await _ours(session, names)
    for name in machines:
        if claim.notes.get(f"start:{name}"):
            await claim.notes.keep(f"start:{name}", "")
        if name in there and there[name][1] != "Deleting":
            await _stop(session, names, name)


async def started(session: Session, claim: Claim, machines: tuple[str, ...]) -> None:
    """Start machines; one that was begun before is gone on with, so that its failure is told."""
    names, notes = Names(session.subscription, claim), claim.notes
    there = await _ours(session, names)
    for name in machines:
        if name not in there or there[name][1] == "Deleting":
            continue
        note = f"start:{name}"

        def begin(name: str = name, **how: Any) -> Any:
            return session.compute.virtual_machines.begin_start(names.group, name, **how)

        async def keep(token: str, note: str = note) -> None:
            await notes.keep(note, token)

        await carried(session, begin, kept=notes.get(note), keep=keep)


async def _stop(session: Session, names: Names, name: str) -> None:
    def begin(**how: Any) -> Any:
        return session.compute.virtual_machines.begin_deallocate(names.group, name, **how)

    try:
        await begun(session, begin)
    except Missing:
        return


async def _ours(session: Session, names: Names) -> dict[str, tuple[str, str]]:
    """The set and the provisioning state of each machine that carries the cluster's tags."""
    listed = await session.found(lambda: list(session.compute.virtual_machines.list(names.group)))
    found = {}
    for each in listed or []:
        if names.are_ours(each.tags) and each.properties:
            inside = each.properties.virtual_machine_scale_set
            state = str(each.properties.provisioning_state or "")
            found[str(each.name)] = last_of(inside.id) if inside else "", state
    return found


async def _end_those_that_never_came(session: Session, names: Names, wanted: set[str]) -> None:
    orders = Orders(names.claim.notes)
    for token in orders.failed():
        name = orders.names()[token]
        if name in wanted:
            await end_order(session, names, name, Role.WORKER)
            await orders.keep(token)


async def _sweep(session: Session, names: Names) -> None:
    sets = await session.found(
        lambda: list(session.compute.virtual_machine_scale_sets.list(names.group))
    )
    for each in sets or []:
        made = each.properties.time_created if each.properties else None
        is_old = made is not None and datetime.now(UTC) - made > LEAST_AGE
        is_empty = each.sku is not None and each.sku.capacity == 0
        state = str(each.properties.provisioning_state) if each.properties else ""
        if names.are_ours(each.tags) and is_old and is_empty and state == "Succeeded":
            await end_order(session, names, str(each.name), Role.WORKER)

"""The end of a cluster in Azure: its group, or what carries its tags in somebody else's."""

from __future__ import annotations

from typing import Any, Final

from oceanid.clouds.azure.grounds import PARTS, RULES
from oceanid.clouds.azure.names import CLUSTER, Names
from oceanid.clouds.azure.operations import begun, carried
from oceanid.clouds.azure.orders import ADMIN_KEY, ORDERS
from oceanid.clouds.azure.refusals import Missing
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Claim
from oceanid.errors import CloudError

# In the order in which they let go of each other, with a version of the API that each knows.
RANKS: Final[tuple[dict[str, str], ...]] = (
    {
        "microsoft.compute/virtualmachinescalesets": "2024-07-01",
        "microsoft.compute/virtualmachines": "2024-07-01",
    },
    {
        "microsoft.network/networkinterfaces": "2024-05-01",
        "microsoft.compute/disks": "2024-03-02",
    },
    {"microsoft.network/virtualnetworks": "2024-05-01"},
    {"microsoft.network/natgateways": "2024-05-01"},
    {
        "microsoft.network/publicipaddresses": "2024-05-01",
        "microsoft.network/networksecuritygroups": "2024-05-01",
    },
    {"microsoft.network/applicationsecuritygroups": "2024-05-01"},
)
_NOTE: Final = "op:dismantle"


async def dismantled(session: Session, claim: Claim) -> bool:
    """Remove everything; True when nothing is left."""
    names = Names(session.subscription, claim)
    group = await session.found(lambda: session.resources.resource_groups.get(names.group))
    if group is None:
        gone = True
    elif names.has_own_group and names.are_ours(group.tags):
        gone = await _group_ended(session, names)
    else:
        gone = await _tagged_ended(session, names)
    if gone:
        for note in (_NOTE, RULES, ADMIN_KEY, ORDERS, *(f"op:{each}" for each in PARTS)):
            if claim.notes.get(note):
                await claim.notes.keep(note, "")
    return gone


async def _group_ended(session: Session, names: Names) -> bool:
    notes = names.claim.notes

    def begin(**how: Any) -> Any:
        return session.resources.resource_groups.begin_delete(names.group, **how)

    try:
        return await carried(
            session, begin, kept=notes.get(_NOTE), keep=lambda token: notes.keep(_NOTE, token)
        )
    except Missing:
        return True


async def _tagged_ended(session: Session, names: Names) -> bool:
    """One rank after the other; a rank is gone before those that it held are told to go."""
    mine = f"tagName eq '{CLUSTER}' and tagValue eq '{names.claim.uuid}'"
    listed = await session.call(
        lambda: list(session.resources.resources.list_by_resource_group(names.group, filter=mine))
    )
    left: dict[str, list[str]] = {}
    for each in listed:
        left.setdefault(str(each.type).lower(), []).append(str(each.id))
    for rank in RANKS:
        found = {kind: ids for kind, ids in left.items() if kind in rank}
        sets = found.get("microsoft.compute/virtualmachinescalesets")
        if sets:
            # They take their machines with them; machines alone go in the next round.
            alone = await _alone(session, names)
            found["microsoft.compute/virtualmachines"] = alone
        for kind, ids in found.items():
            for one in ids:
                await _let_go(session, one, rank[kind])
        if found:
            return False
    if left:
        kinds = ", ".join(sorted(left))
        raise CloudError(
            "Something of a kind that clusters are not made of carries this one's tags: {kinds}.",
            hint="Delete it in the group “{group}”, or take its tag {cluster} away.",
            kinds=kinds,
            group=names.group,
            cluster=CLUSTER,
        )
    return True


async def _alone(session: Session, names: Names) -> list[str]:
    listed = await session.call(lambda: list(session.compute.virtual_machines.list(names.group)))
    return [
        str(each.id)
        for each in listed
        if names.are_ours(each.tags)
        and each.properties
        and not each.properties.virtual_machine_scale_set
    ]


async def _let_go(session: Session, one: str, api_version: str) -> None:
    def begin(**how: Any) -> Any:
        return session.resources.resources.begin_delete_by_id(one, api_version=api_version, **how)

    try:
        await begun(session, begin)
    except Missing:
        return

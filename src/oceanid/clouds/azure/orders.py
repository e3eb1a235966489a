"""Orders of machines: given once, however often, and known to be over.

A worker's order becomes a scale set of its own, named by the order, with an absolute capacity
that never changes: so there is nothing to count up, no race with machines that end or that Azure
takes back, and the same order can't make anything twice: it is made ``If-None-Match: *``, and
what stands under its name carries its token.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from oceanid.clouds.azure import bodies
from oceanid.clouds.azure.grounds import name_taken
from oceanid.clouds.azure.names import LAUNCH, Names
from oceanid.clouds.azure.operations import Begin, begun, followed, has_failed, opened
from oceanid.clouds.azure.refusals import Exists, Missing
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Claim, Launch, Launched, Notes
from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudUnavailable,
    QuotaExceeded,
)
from oceanid.states import Role

MOST_KEPT: Final = 50
ANSWER_S: Final = 120.0
"""So long it is waited for what comes of an order, for it may be refused until then and another
zone or price be tried; then it is answered, lest one straggler keep the others waiting."""
ADMIN_KEY: Final = "admin-key"
ORDERS: Final = "orders"
_OVER: Final[dict[str, type[CloudError]]] = {
    each.code: each for each in (CapacityShort, QuotaExceeded, CloudError)
}


class Orders:
    """What is remembered of orders: those under way, and those that came to nothing."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._known: dict[str, dict[str, str]] = json.loads(notes.get(ORDERS) or "{}")

    def under_way(self) -> dict[str, str]:
        """The operations' tokens by the orders', of those that were answered."""
        return {
            token: each["op"]
            for token, each in self._known.items()
            if each.get("op") and _age_s(each) >= ANSWER_S
        }

    def failed(self) -> dict[str, str]:
        """Why orders failed after they had been answered, by their tokens."""
        return {token: each["why"] for token, each in self._known.items() if each.get("late")}

    def names(self) -> dict[str, str]:
        """What orders were to make, by their tokens."""
        return {token: each.get("name", "") for token, each in self._known.items()}

    def get(self, token: str) -> dict[str, str]:
        """What is known of one."""
        return self._known.get(token, {})

    async def keep(self, token: str, **what: str) -> None:
        """Remember this, and nothing else, of an order."""
        self._known.pop(token, None)
        if what:
            self._known[token] = what
        idle = [each for each, known in self._known.items() if not known.get("op")]
        for old in idle[:-MOST_KEPT]:
            del self._known[old]
        await self._notes.keep(ORDERS, json.dumps(self._known) if self._known else "")

    async def is_over(self, token: str, name: str, problem: CloudError) -> None:
        """An order came to nothing, and will be told so whenever it is given again."""
        await self.keep(token, over=problem.slug, why=problem.message, hint=problem.hint, name=name)

    def refuse_over(self, token: str) -> None:
        """Say again what an order came to.

        Raises:
            CloudError: It is over.
        """
        known = self._known.get(token, {})
        if known.get("over"):
            raise _OVER.get(known["over"], CloudError)(known["why"], hint=known.get("hint", ""))


async def launched(session: Session, claim: Claim, order: Launch) -> Launched:
    """Give an order, or tell again what came of it."""
    orders = Orders(claim.notes)
    orders.refuse_over(order.token)
    names = Names(session.subscription, claim)
    name = names.of_order(order)
    kept = orders.get(order.token).get("op", "")
    begin = _beginning(session, names, order, await _admin_key(claim.notes))

    since = orders.get(order.token).get("since") or str(int(time.time()))

    async def keep(token: str) -> None:
        what = {"op": token, "name": name, "since": since}
        await orders.keep(order.token, **(what if token else {}))

    try:
        poller, kept = await opened(session, begin, kept=kept, keep=keep)
    except Exists:
        return await _found_again(session, names, order)
    except (CapacityShort, QuotaExceeded) as problem:
        await orders.is_over(order.token, name, problem)
        raise
    try:
        is_over = await followed(session, poller, kept=kept, keep=keep)
    except CloudError as problem:
        if not has_failed(poller):
            raise
        return await _came_to(session, names, order, orders, problem)
    if not is_over and _age_s({"since": since}) < ANSWER_S:
        return Launched((), 0, under_way=True)
    return _all(name, order)


def _age_s(known: dict[str, str]) -> float:
    return time.time() - float(known.get("since") or 0)


async def looked_after(session: Session, claim: Claim) -> Orders:
    """Ask of each operation under way how it goes; of those that failed the reason is kept."""
    orders = Orders(claim.notes)
    for token, op in orders.under_way().items():
        name = orders.names()[token]

        async def keep(kept: str, token: str = token) -> None:
            await orders.keep(token, **(orders.get(token) | {"op": kept} if kept else {}))

        try:
            poller, kept = await opened(session, _resuming(session), kept=op, keep=keep)
            await followed(session, poller, kept=kept, keep=keep, patience_s=0)
        except (CloudUnavailable, CloudDenied):
            raise
        except CloudError as problem:
            await orders.keep(token, late="yes", name=name, why=problem.message)
    return orders


def _all(name: str, order: Launch) -> Launched:
    return Launched((name,) if order.role is Role.MASTER else (), order.count)


def _beginning(session: Session, names: Names, order: Launch, key: str) -> Begin:
    name = names.of_order(order)

    def begin(**how: Any) -> Any:
        from azure.core import MatchConditions

        compute, once = session.compute, MatchConditions.IfMissing
        if order.role is Role.MASTER:
            one: Any = bodies.machine(names, order, key)
            begin = compute.virtual_machines.begin_create_or_update
            return begin(names.group, name, one, match_condition=once, **how)
        many: Any = bodies.machines(names, order, key)
        begin_set = compute.virtual_machine_scale_sets.begin_create_or_update
        return begin_set(names.group, name, many, match_condition=once, **how)

    return begin


def _resuming(session: Session) -> Begin:
    """Goes on with any of Compute's operations; begins none."""

    def begin(**how: Any) -> Any:
        if "continuation_token" not in how:
            raise ValueError("There is nothing to go on with.")
        empty: Any = {}
        return session.compute.virtual_machines.begin_create_or_update("", "", empty, **how)

    return begin


async def _found_again(session: Session, names: Names, order: Launch) -> Launched:
    """The answer for an order that was given before; its answer was lost."""
    name = names.of_order(order)

    def get() -> Any:
        compute = session.compute
        if order.role is Role.MASTER:
            return compute.virtual_machines.get(names.group, name)
        return compute.virtual_machine_scale_sets.get(names.group, name)

    found = await session.call(get)
    if (found.tags or {}).get(LAUNCH) != order.token or not names.are_ours(found.tags):
        raise name_taken(names)
    if str(found.properties.provisioning_state) == "Failed":
        problem = CapacityShort(
            "Azure did not make these machines.",
            hint="Another zone, size or region may have some, or the same one later.",
        )
        return await _came_to(session, names, order, Orders(names.claim.notes), problem)
    return _all(name, order)


async def _came_to(
    session: Session, names: Names, order: Launch, orders: Orders, problem: CloudError
) -> Launched:
    """Of an order that failed: those machines that came; when none did, nothing stays.

    Raises:
        CloudError: Not one came; the order is over.
    """
    name = names.of_order(order)
    alive: tuple[str, ...] = ()
    if order.role is Role.WORKER:
        alive, dead = await _members(session, names, name)
        if alive and dead:
            await end_members(session, names, name, dead)
    if alive:
        await orders.keep(order.token)
        return Launched(alive, len(alive), problem.message)
    await end_order(session, names, name, order.role)
    if isinstance(problem, CapacityShort | QuotaExceeded):
        await orders.is_over(order.token, name, problem)
    raise problem


async def _members(
    session: Session, names: Names, name: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A set's machines: those that come or came, and those that failed."""
    only = f"'virtualMachineScaleSet/id' eq '{names.set_id(name)}'"
    machines = await session.found(
        lambda: list(session.compute.virtual_machines.list(names.group, filter=only))
    )
    alive: list[str] = []
    dead: list[str] = []
    for each in machines or []:
        state = str(each.properties.provisioning_state if each.properties else "")
        if state != "Deleting":
            (dead if state == "Failed" else alive).append(str(each.name))
    return tuple(alive), tuple(dead)


async def end_members(session: Session, names: Names, name: str, machines: tuple[str, ...]) -> None:
    """Begin to end machines of a set, by their names."""
    body: Any = {"instanceIds": list(machines)}

    def begin(**how: Any) -> Any:
        sets = session.compute.virtual_machine_scale_sets
        return sets.begin_delete_instances(names.group, name, body, **how)

    await _let_end(session, begin)


async def end_order(session: Session, names: Names, name: str, role: Role) -> None:
    """Begin to end a whole set, or the one machine of an order."""

    def begin(**how: Any) -> Any:
        compute = session.compute
        if role is Role.MASTER:
            return compute.virtual_machines.begin_delete(names.group, name, **how)
        return compute.virtual_machine_scale_sets.begin_delete(names.group, name, **how)

    await _let_end(session, begin)


async def _let_end(session: Session, begin: Begin) -> None:
    """Begin what later looks tell the end of; nothing is to be done for what is gone."""
    try:
        await begun(session, begin)
    except Missing:
        return


async def _admin_key(notes: Notes) -> str:
    if known := notes.get(ADMIN_KEY):
        return known
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = generate_private_key(65537, 2048).public_key()
    made = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    await notes.keep(ADMIN_KEY, made)
    return made

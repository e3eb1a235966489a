"""What would fail in Azure before anything is made: providers, rights, name, quota, sizes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from oceanid.clouds.azure.finding import image_of, sizes_of
from oceanid.clouds.azure.grounds import refuse_taken
from oceanid.clouds.azure.names import Names
from oceanid.clouds.azure.role import NEEDED
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Blueprint, Claim
from oceanid.errors import CloudDenied, CloudError, CloudUnavailable, OceanidError, QuotaExceeded
from oceanid.specs import Step

PROVIDERS: Final = ("Microsoft.Compute", "Microsoft.Network")

Part = Callable[[Session, Names, int], Awaitable[str]]


async def preflighted(session: Session, claim: Claim, size: int) -> tuple[Step, ...]:
    """Each thing that was looked at; those that are not well with their cure."""
    names = Names(session.subscription, claim)
    return tuple([await _step(session, names, size, name) for name in _PARTS])


async def _step(session: Session, names: Names, size: int, name: str) -> Step:
    try:
        return Step(name, True, await _PARTS[name](session, names, size))
    except CloudUnavailable:
        raise
    except OceanidError as problem:
        hint = problem.hint or "Ask whoever keeps the subscription."
        return Step(name, False, problem.message, hint)


async def _providers(session: Session, names: Names, size: int) -> str:
    for provider in PROVIDERS:

        def get(provider: str = provider) -> Any:
            return session.resources.providers.get(provider)

        found = await session.call(get)
        state = str(found.registration_state or "")
        if state != "Registered":
            raise CloudError(
                "The subscription does not have {provider} switched on ({state}).",
                hint="Run: az provider register --namespace {provider}",
                provider=provider,
                state=state,
            )
    return "The subscription has machines and networks switched on."


async def _rights(session: Session, names: Names, size: int) -> str:
    """By Permissions - List, which tells what the asking app may do."""
    where = f"/subscriptions/{session.subscription}"
    if not names.has_own_group:
        where = names.group_id
    path = f"{where}/providers/Microsoft.Authorization/permissions"
    told = await session.call(lambda: session.get(path, "2022-04-01"))
    sets = told.get("value", [])
    missing = [each for each in NEEDED if not any(_allows(one, each) for one in sets)]
    if not names.has_own_group:
        missing = [each for each in missing if "/locations/" not in each and "Groups/" not in each]
    if missing:
        raise CloudDenied(
            "The app may not do {count} things that are needed: {missing}{value}.",
            hint="Compare its role in the subscription with the one in the docs, under cloud "
            "accounts.",
            count=len(missing),
            missing=", ".join(missing[:3]),
            value=" …" if len(missing) > 3 else "",
        )
    return "The app may do all that is needed."


async def _name(session: Session, names: Names, size: int) -> str:
    found = await session.found(lambda: session.resources.resource_groups.get(names.group))
    if names.has_own_group and found is not None and not names.are_ours(found.tags):
        raise CloudError(
            "There is a resource group “{group}” already.",
            hint="Choose another name.",
            group=names.group,
        )
    await refuse_taken(session, names)
    return f"The name “{names.claim.name}” is free."


async def _sizes(session: Session, names: Names, size: int) -> str:
    print_ = names.claim.blueprint
    sizes = await sizes_of(session, print_.region)
    for name in dict.fromkeys((print_.master_type, print_.node_type)):
        found = sizes.get(name)
        if found is None or found.refused:
            why = found.refused if found else "it is not there any more"
            raise CloudError(
                "{name} can't be had in {region}: {why}.",
                hint="Choose another size or region.",
                name=name,
                region=print_.region,
                why=why,
            )
        if print_.zones and not set(print_.zones) & found.zones:
            raise CloudError(
                "{name} can't be had in the zones {zones}.",
                hint="It can be had in {zones2}.",
                name=name,
                zones=", ".join(print_.zones),
                zones2=", ".join(sorted(found.zones)) or "no zone",
            )
    return f"{print_.node_type} can be had in {print_.region}."


async def _images(session: Session, names: Names, size: int) -> str:
    print_ = names.claim.blueprint
    for image in dict.fromkeys((print_.master_image, print_.node_image)):
        await image_of(session, print_.region, image)
    return "The images are there."


async def _quota(session: Session, names: Names, size: int) -> str:
    print_ = names.claim.blueprint
    usages = await session.call(lambda: list(session.compute.usage.list(print_.region)))
    left = {
        str(each.name.value).lower(): (
            int(each.limit) - int(each.current_value), str(each.name.localized_value or "")
        )
        for each in usages
    }  # fmt: skip
    for name, cpus in _asked(print_, size).items():
        if name.lower() in left and cpus > left[name.lower()][0]:
            free, told = left[name.lower()]
            raise QuotaExceeded(
                "{size} machines need {cpus} processors of “{told}”, and {free} are left in "
                "{region}.",
                hint="Ask for more in the Azure portal under Quotas, or choose fewer or smaller "
                "machines.",
                size=size,
                cpus=cpus,
                told=told or name,
                free=free,
                region=print_.region,
            )
    return f"The quota in {print_.region} is enough for {size} machines."


def _asked(print_: Blueprint, size: int) -> dict[str, int]:
    """Processors by the name of the quota (Usage - List)."""
    master, nodes = print_.master_shape.cpus, print_.node_shape.cpus * (size - 1)
    asked: dict[str, int] = {}

    def add(name: str, cpus: int) -> None:
        if name and cpus:
            asked[name] = asked.get(name, 0) + cpus

    add("cores", master + (0 if print_.spot else nodes))
    add(print_.more.get("master_family", ""), master)
    if print_.spot:
        add("lowPriorityCores", nodes)
    else:
        add(print_.more.get("node_family", ""), nodes)
    return asked


def _allows(one: dict[str, Any], action: str) -> bool:
    return _matches(one.get("actions", []), action) and not _matches(
        one.get("notActions", []), action
    )


def _matches(patterns: list[str], action: str) -> bool:
    return any(
        re.fullmatch(re.escape(each).replace(r"\*", ".*"), action, re.IGNORECASE)
        for each in patterns
    )


_PARTS: Final[dict[str, Part]] = {
    "providers": _providers,
    "rights": _rights,
    "name": _name,
    "sizes": _sizes,
    "images": _images,
    "quota": _quota,
}

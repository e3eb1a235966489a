"""Which request is answered by whom."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.clouds.azure import answers, catalogue, groups, machines, networks
from tests.clouds.azure.answers import Answer, Asked
from tests.clouds.azure.world import Refused, World

Handler = Callable[..., Answer]
_G = r"/resourceGroups/([^/]+)"
_C = rf"{_G}/providers/Microsoft\.Compute"
_N = rf"{_G}/providers/Microsoft\.Network"
_VM, _SET = rf"{_C}/virtualMachines", rf"{_C}/virtualMachineScaleSets"
_PLACE = r"/providers/Microsoft\.Compute/locations/([^/]+)"
_IMAGES = rf"{_PLACE}/publishers/(.+)/versions"
_NETWORKS = (
    r"(virtualNetworks|networkSecurityGroups|applicationSecurityGroups|natGateways"
    r"|publicIPAddresses|networkInterfaces)"
)


def _operation(world: World, asked: Asked, operation_id: str) -> Answer:
    return answers.operation_told(world, operation_id)


def _powered(what: str) -> Handler:
    def handler(world: World, asked: Asked, group: str, name: str) -> Answer:
        return machines.powered(world, asked, group, name, what)

    return handler


def _disk_deleted(world: World, asked: Asked, group: str, name: str) -> Answer:
    found = world.find(world.make_id(group, machines.DISKS, name))
    if found is None:
        return Answer(204)
    return answers.by_location(asked, world.begin(lambda: world.drop(found)))


_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", r"", catalogue.subscription),
    ("GET", r"/resourcegroups", groups.listed),
    ("GET", _G, groups.got),
    ("PUT", _G, groups.put),
    ("DELETE", _G, groups.deleted),
    ("GET", r"/resources", groups.resources),
    ("GET", rf"{_G}/resources", lambda world, asked, name: groups.resources(world, asked, name)),
    ("GET", r"/operationresults/([0-9a-f]+)", answers.result_told),
    ("GET", r"/providers/[^/]+/locations/[^/]+/operations/([0-9a-f]+)", _operation),
    ("GET", r"/providers/[^/]+/locations/[^/]+/operationResults/([0-9a-f]+)", answers.result_told),
    ("GET", r"/providers/(Microsoft\.[A-Za-z]+)", catalogue.provider),
    ("GET", r"/providers/Microsoft\.Features/providers/Microsoft\.Compute/features/(\w+)",
     catalogue.feature),
    ("GET", r"/providers/Microsoft\.Compute/skus", catalogue.skus),
    ("GET", r"/providers/(Microsoft\.Compute/virtualMachines)", groups.all_of_kind),
    ("GET", r"/providers/(Microsoft\.Network/networkInterfaces)", groups.all_of_kind),
    ("GET", rf"{_PLACE}/usages", catalogue.usages),
    ("GET", _IMAGES, catalogue.versions),
    ("GET", rf"{_IMAGES}/([^/]+)", catalogue.version),
    ("GET", rf"{_C}/(images/[^/]+)", catalogue.own_image),
    ("GET", rf"{_C}/(galleries/[^/]+/images/[^/]+)", catalogue.own_image),
    ("GET", rf"{_C}/(galleries/[^/]+/images/[^/]+/versions)", catalogue.own_versions),
    ("GET", rf"{_C}/(galleries/[^/]+/images/[^/]+/versions/[^/]+)", catalogue.own_image),
    ("GET", _VM, machines.listed),
    ("GET", rf"{_VM}/([^/]+)", machines.got),
    ("PUT", rf"{_VM}/([^/]+)", machines.put),
    ("DELETE", rf"{_VM}/([^/]+)", machines.deleted),
    ("POST", rf"{_VM}/([^/]+)/start", _powered("start")),
    ("POST", rf"{_VM}/([^/]+)/deallocate", _powered("deallocate")),
    ("POST", rf"{_VM}/([^/]+)/retrieveBootDiagnosticsData", machines.boot_log),
    ("GET", _SET, machines.sets_listed),
    ("GET", rf"{_SET}/([^/]+)", machines.set_got),
    ("PUT", rf"{_SET}/([^/]+)", machines.set_put),
    ("DELETE", rf"{_SET}/([^/]+)", machines.set_deleted),
    ("POST", rf"{_SET}/([^/]+)/delete", machines.members_deleted),
    ("POST", rf"{_SET}/([^/]+)/deallocate", machines.set_deallocated),
    ("DELETE", rf"{_C}/disks/([^/]+)", _disk_deleted),
    ("GET", rf"{_N}/{_NETWORKS}", networks.listed),
    ("GET", rf"{_N}/{_NETWORKS}/([^/]+)", networks.got),
    ("PUT", rf"{_N}/{_NETWORKS}/([^/]+)", networks.put),
    ("DELETE", rf"{_N}/{_NETWORKS}/([^/]+)", networks.deleted),
]  # fmt: skip
_COMPILED = [(method, re.compile(path, re.IGNORECASE), run) for method, path, run in _ROUTES]


def answer(world: World, asked: Asked, inside: str) -> Answer:
    """Answer a request; ``inside`` is its path below the subscription."""
    for method, path, run in _COMPILED:
        found = path.fullmatch(inside)
        if found is not None and method == asked.method:
            if run is answers.result_told:
                return answers.result_told(world, asked, found[1])
            return run(world, asked, *found.groups())
    raise Refused(404, "InvalidResourceType", f"{asked.method} {asked.path} is not known here.")

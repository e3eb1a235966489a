"""What is asked of the small Azure and what it answers, and the three styles of long operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.clouds.azure.world import SUBSCRIPTION, Operation, Refused, World


@dataclass
class Asked:
    """One request.

    Args:
        method, path: What is asked.
        query: Its parameters, each once.
        body: Its JSON.
        headers: Its headers, by small letters.
        base: Under which address it was asked.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    base: str


@dataclass
class Answer:
    """One answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def refusal(refused: Refused) -> Answer:
    """The answer of an error."""
    headers = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    told = {"code": refused.code, "message": refused.told or f"It is {refused.code}."}
    return Answer(refused.status, {"error": told}, headers)


def by_async_operation(asked: Asked, operation: Operation, status: int, body: Any) -> Answer:
    """Style one: an operation resource with a status of its own."""
    return Answer(status, body, {"Azure-AsyncOperation": _url(asked, operation, "operations")})


def by_location(asked: Asked, operation: Operation) -> Answer:
    """Style two: an address that answers 202 as long as it is under way."""
    return Answer(202, None, {"Location": _url(asked, operation, "operationResults")})


def by_state(status: int, body: Any) -> Answer:
    """Style three: the resource itself tells."""
    return Answer(status, body)


def operation_told(world: World, operation_id: str) -> Answer:
    """How it goes, in style one."""
    found = _operation(world, operation_id)
    if not found.is_over:
        return Answer(200, {"status": "InProgress"}, {"Retry-After": "1"})
    if found.fails is not None:
        error = {"code": found.fails.code, "message": found.fails.told}
        return Answer(200, {"status": "Failed", "error": error})
    return Answer(200, {"status": "Succeeded"})


def result_told(world: World, asked: Asked, operation_id: str) -> Answer:
    """How it goes, in style two."""
    found = _operation(world, operation_id)
    if not found.is_over:
        return by_location(asked, found)
    if found.fails is not None:
        return refusal(found.fails)
    return Answer(200)


def paged(world: World, asked: Asked, rows: list[Any]) -> Answer:
    """One page, with the address of the next."""
    start = int(asked.query.get("$skiptoken", "0"))
    end = start + world.page
    body: dict[str, Any] = {"value": rows[start:end]}
    if end < len(rows):
        kept = "&".join(f"{k}={v}" for k, v in asked.query.items() if k != "$skiptoken")
        body["nextLink"] = f"{asked.base}{asked.path}?{kept}&$skiptoken={end}".replace(" ", "%20")
    return Answer(200, body)


def _operation(world: World, operation_id: str) -> Operation:
    found = world.operations.get(operation_id)
    if found is None:
        raise Refused(404, "ResourceNotFound", f"There is no operation {operation_id}.")
    return found


def _url(asked: Asked, operation: Operation, what: str) -> str:
    provider = "Microsoft.Compute" if "Microsoft.Compute" in asked.path else "Microsoft.Network"
    place = f"/subscriptions/{SUBSCRIPTION}/providers/{provider}/locations/westeurope"
    if "/providers/" not in asked.path:
        place, what = f"/subscriptions/{SUBSCRIPTION}", "operationresults"
    return f"{asked.base}{place}/{what}/{operation.id}?api-version=2024-07-01"

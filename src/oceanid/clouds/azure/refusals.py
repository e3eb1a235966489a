"""What Azure's refusals mean, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    QuotaExceeded,
)

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError


class Missing(CloudError):
    """What was asked for is not there."""


class Exists(CloudError):
    """What was to be made is there already."""


TOKEN_CURES: Final[Mapping[str, tuple[str, str]]] = {
    "AADSTS700016": (
        "The tenant has no app registration of this client id.",
        "Compare client id and tenant id with the app registration's Overview page.",
    ),
    "AADSTS90002": (
        "There is no tenant of this id.",
        "Compare it with Directory (tenant) ID on the app registration's Overview page.",
    ),
    "AADSTS700027": (
        "The app registration does not know this certificate.",
        "Upload its public half in the app registration under Certificates & secrets.",
    ),
    "AADSTS700024": (
        "The clock of this machine is wrong.", "Set it by NTP: timedatectl set-ntp true",
    ),
    "AADSTS7000222": (
        "The certificate is past its time.",
        "Make a new one and upload it in the app registration.",
    ),
    "AADSTS7000112": (
        "The app registration is switched off.",
        "Switch it on in the Azure portal under Enterprise applications.",
    ),
}  # fmt: skip
ARM_CURES: Final[Mapping[str, tuple[str, str]]] = {
    "SubscriptionNotFound": (
        "There is no subscription of this id, or the app has no role in it.",
        "Compare it with the Azure portal; give the app a role there under Access control (IAM).",
    ),
    "AuthorizationFailed": (
        "The app may not read the subscription.",
        "Give it a role there in the Azure portal under Access control (IAM).",
    ),
    "InvalidSubscriptionId": (
        "This is not a subscription id.", "Copy it from the Azure portal under Subscriptions.",
    ),
    "InvalidAuthenticationTokenTenant": (
        "The subscription belongs to another tenant.",
        "Give the tenant id of the subscription's directory.",
    ),
}  # fmt: skip


# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
_SHORT: Final = frozenset({
    "AllocationFailed", "ZonalAllocationFailed", "OverconstrainedAllocationRequest",
    "OverconstrainedZonalAllocationRequest", "SkuNotAvailable", "CapacityNotAvailable",
})  # fmt: skip
_DENIED: Final = frozenset({
    "AuthorizationFailed", "LinkedAuthorizationFailed", "LinkedAccessCheckFailed",
    "AuthenticationFailed", "RequestDisallowedByPolicy", "ScopeLocked",
    "ReadOnlyDisabledSubscription", "DisabledSubscription",
})  # fmt: skip
_ACTION: Final = re.compile(r"action '([\w./*]+)'")


@contextmanager
def told(cures: Mapping[str, tuple[str, str]]) -> Iterator[None]:
    """Tell what goes wrong with its cure."""
    from azure.core import exceptions as them

    try:
        yield
    except them.AzureError as problem:
        raise meant(problem, cures) from problem


def meant(problem: AzureError, cures: Mapping[str, tuple[str, str]] = ARM_CURES) -> CloudError:
    """One of the house's errors for one of the SDK's."""
    status = getattr(problem, "status_code", None)
    if _is_network(problem):
        return CloudUnavailable(
            "Azure could not be reached.",
            hint="The portal's machine must reach login.microsoftonline.com and "
            "management.azure.com over HTTPS (port 443), directly or by the proxy in "
            "HTTPS_PROXY.",
        )
    said = str(getattr(problem, "message", "") or problem)
    code = str(getattr(getattr(problem, "error", None), "code", "") or "")
    return of_code(code, said, status, cures)


def of_code(
    code: str,
    said: str,
    status: int | None = None,
    cures: Mapping[str, tuple[str, str]] = ARM_CURES,
) -> CloudError:
    """The same for what an answer of Azure's says.

    Args:
        code: The error's code.
        said: Its message.
        status: The answer's HTTP status, None when it is what a long operation came to.
        cures: Messages with their cures by code, for codes that need more than their class.
    """
    line = said.strip().splitlines()[0][:500] if said.strip() else code
    if code in _SHORT:
        return CapacityShort(
            "Azure has no such machines at the moment: {line}",
            hint="Another zone, size or region may have some, or the same one later.",
            line=line,
        )
    if _is_quota(code, said):
        return QuotaExceeded(
            "The subscription's quota does not allow this: {line}",
            hint="Ask for more in the Azure portal under Quotas, or choose fewer or smaller "
            "machines.",
            line=line,
        )
    for known, (message, hint) in cures.items():
        if known == code or re.search(rf"\b{known}\b", said):
            denied = known == "AuthorizationFailed" and _ACTION.search(said)
            if denied:
                return _denied(code, said, line)
            kind = CloudDenied if status in (401, 403) else CloudError
            return kind(message, hint=hint)
    if code in _DENIED or status in (401, 403):
        return _denied(code, said, line)
    if status == 404:
        return Missing("It is not there: {line}", line=line)
    if status == 412:
        return Exists("It is there already: {line}", line=line)
    if status == 429:
        return CloudThrottled("Azure is asked too often.", hint="Wait a minute and test again.")
    if status is not None and status >= 500:
        return CloudUnavailable("Azure has a fault of its own: {line}", line=line)
    return CloudError("Azure refused: {line}", transient=status in (408, 409) or None, line=line)


def _is_quota(code: str, said: str) -> bool:
    if code in ("QuotaExceeded", "PublicIPCountLimitReached", "ResourceQuotaExceeded"):
        return True
    # Compute tells an exceeded quota as an operation that is not allowed.
    return code == "OperationNotAllowed" and "quota" in said.lower()


def _denied(code: str, said: str, line: str) -> CloudDenied:
    if code == "ScopeLocked":
        hint = "Remove the lock in the Azure portal under Locks, or let it stand."
    elif code == "RequestDisallowedByPolicy":
        hint = "A policy of the subscription forbids it; ask whoever keeps its policies."
    elif action := _ACTION.search(said):
        hint = f"Add {action[1]} to the role that the app has in the subscription."
    else:
        hint = "Compare the role that the app has in the subscription with the one in the docs."
    return CloudDenied("The app may not do this: {line}", hint=hint, line=line)


def _is_network(problem: BaseException) -> bool:
    """Whether it is, or came of, an answer that did not arrive: azure-identity tells of that as
    of a refusal."""
    from azure.core import exceptions as them

    one: BaseException | None = problem
    while one is not None:
        if isinstance(one, them.ServiceRequestError | them.ServiceResponseError):
            return True
        one = one.__cause__ or one.__context__
    return False

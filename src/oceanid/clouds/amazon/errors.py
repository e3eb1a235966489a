"""What Amazon refuses, in the house's words and with its cure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    InvalidValue,
    OceanidError,
    QuotaExceeded,
)

Told = tuple[type[OceanidError], str, str]

DENIED: Final = {"AccessDenied", "UnauthorizedOperation", "AccessDeniedException"}
"""EC2 says the second; the services that speak JSON say the others."""

_THROTTLED: Told = (CloudThrottled, "Amazon is asked too often.", "Wait a minute and try again.")
_NO_ROOM: Told = (
    CapacityShort,
    "Amazon has no more machines of this type in this zone at the moment.",
    "Name more zones or another type; or try again later.",
)
_QUOTA: Told = (
    QuotaExceeded,
    "The account's quota does not allow so many machines.",
    "Make the cluster smaller, or ask for more in the console under Service Quotas → Amazon EC2.",
)
_AWAY: Told = (CloudUnavailable, "Amazon failed inside.", "It is tried again by itself.")
NOT_THERE: Final[Told] = (
    CloudUnavailable,
    "What the cluster's machines stand on is not there, or not known everywhere at Amazon yet.",
    "If somebody removed its launch templates or security groups, let it be repaired: they are "
    "made again.",
)

# Codes: EC2 API reference, "Error codes for the Amazon EC2 API".
_CURES: Final[Mapping[str, Told]] = {
    "InvalidClientTokenId": (
        CloudError, "Amazon does not know this access key id.",
        "Look in IAM under Users → Security credentials whether it is there and active.",
    ),
    "AuthFailure": (
        CloudError, "Amazon does not accept the key in this region.",
        "Look in the console's account settings whether the region is switched on.",
    ),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": (
        CloudDenied, "The account has no role for spot machines yet, and the key may not make it.",
        "Run once, as an administrator: "
        "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ),
    "SignatureDoesNotMatch": (
        CloudError,
        "The secret access key does not belong to the access key id, or the clock of this "
        "machine is wrong.",
        "Give the secret again; if it is lost, make another access key.",
    ),
    "RequestExpired": (
        CloudError, "The clock of this machine is wrong.",
        "Set it by NTP: timedatectl set-ntp true",
    ),
    "InvalidKeyPair.NotFound": (
        InvalidValue, "There is no key pair of this name in the region.",
        "Look in the EC2 console, at the right region, under Key Pairs.",
    ),
    "InvalidAMIID.NotFound": (
        InvalidValue, "There is no such image in the region.",
        "An image belongs to one region: look in the EC2 console, at this region, under AMIs; "
        "or leave it empty for Debian's.",
    ),
    "InvalidAMIID.Unavailable": (
        InvalidValue, "The image is there, but can't be used.",
        "Look at its state in the EC2 console under AMIs.",
    ),
    "InvalidInstanceType": (
        InvalidValue, "There is no such instance type in the region.",
        "Look in the EC2 console, at this region, under Instance Types.",
    ),
    "InvalidSubnetID.NotFound": (
        InvalidValue, "There is no such subnet in the region.",
        "Look in the VPC console, at this region, under Subnets.",
    ),
    "InvalidGroup.NotFound": NOT_THERE,
    "InvalidLaunchTemplateName.NotFoundException": NOT_THERE,
    "OptInRequired": (
        CloudError, "The account is not signed up for EC2, or not for this region.",
        "Finish the sign-up in the AWS console, or switch the region on.",
    ),
    "PendingVerification": (
        QuotaExceeded, "Amazon is still verifying the account.",
        "That takes up to some hours; then try again.",
    ),
    "Blocked": (
        CloudError, "Amazon has blocked the account.", "Write to Amazon's support.",
    ),
    "RequestLimitExceeded": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "InsufficientInstanceCapacity": _NO_ROOM,
    "InsufficientHostCapacity": _NO_ROOM,
    "InsufficientCapacity": _NO_ROOM,
    "InsufficientFreeAddressesInSubnet": (
        CapacityShort, "The subnet in this zone has no free addresses left.",
        "Name another zone, or a network with more room.",
    ),
    "SpotMaxPriceTooLow": _NO_ROOM,
    "Unsupported": (
        CapacityShort, "Amazon does not offer this type in this zone.",
        "Name another zone or another type.",
    ),
    "VcpuLimitExceeded": _QUOTA,
    "InstanceLimitExceeded": _QUOTA,
    "MaxSpotInstanceCountExceeded": _QUOTA,
    "MaxIOPSLimitExceeded": _QUOTA,
    "VolumeLimitExceeded": _QUOTA,
    "SecurityGroupLimitExceeded": (
        QuotaExceeded, "The network has as many security groups as the account's quota allows.",
        "Delete some that are not used, or ask for more in the console under Service Quotas → "
        "Amazon VPC.",
    ),
    "InternalError": _AWAY,
    "InternalFailure": _AWAY,
    "ServiceUnavailable": _AWAY,
    "Unavailable": _AWAY,
}  # fmt: skip


def refusal(told_as: Told) -> OceanidError:
    """One of the refusals, to be raised."""
    kind, message, hint = told_as
    return kind(message, hint=hint)


def code_of(problem: OceanidError) -> str:
    """Amazon's own code for what was refused; "" when it was not Amazon that refused."""
    from botocore.exceptions import ClientError

    cause = problem.__cause__
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code", ""))
    return ""


def words_of(problem: OceanidError) -> str:
    """Amazon's own words for what was refused."""
    from botocore.exceptions import ClientError

    cause = problem.__cause__
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Message", ""))
    return ""


@contextmanager
def told(action: str, region: str) -> Iterator[None]:
    """Raise what boto3 raises in the house's words.

    Args:
        action: What is asked, as IAM calls it: ``ec2:RunInstances``.
        region: Where.
    """
    from botocore import exceptions as them

    try:
        yield
    except them.ClientError as problem:
        raise _of(problem.response, action) from problem
    except (them.NoCredentialsError, them.CredentialRetrievalError) as problem:
        raise CloudError(
            "This machine has no role of its own.",
            hint="Give the instance a role in the EC2 console, or give an access key here.",
        ) from problem
    except (them.ConnectionError, them.HTTPClientError) as problem:
        service = action.partition(":")[0].upper()
        raise CloudUnavailable(
            "Amazon's {service} in {region} could not be reached.",
            hint="The portal's machine must reach it over HTTPS (port 443), directly or by the "
            "proxy in HTTPS_PROXY; and the region must exist.",
            service=service,
            region=region,
        ) from problem
    except them.BotoCoreError as problem:
        raise CloudError("Amazon's library refused: {problem}", problem=problem) from problem


def _of(response: Mapping[str, object], action: str) -> OceanidError:
    error = response.get("Error")
    answer = error if isinstance(error, Mapping) else {}
    code, said = str(answer.get("Code", "")), str(answer.get("Message", ""))
    if code in DENIED:
        named = re.search(r"not authorized to perform: (\w+:\w+)", said)
        return CloudDenied(
            "The key may not do this.",
            hint="Allow {named} in its IAM policy; the documentation has the whole policy.",
            named=named[1] if named else action,
        )
    if code in _CURES:
        return refusal(_CURES[code])
    meta = response.get("ResponseMetadata")
    status = meta.get("HTTPStatusCode") if isinstance(meta, Mapping) else None
    if isinstance(status, int) and status >= 500:
        return refusal(_AWAY)
    return CloudError("Amazon refused: {said} ({number})", said=said, number=code)

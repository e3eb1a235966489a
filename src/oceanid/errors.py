"""One error hierarchy; a code is the same stable slug in Python, API, CLI and page."""

from __future__ import annotations

from typing import ClassVar


class OceanidError(Exception):
    """The root of everything that Oceanid raises on purpose.

    Args:
        message: What went wrong, in one sentence that a user can read.
        hint: What to do about it, in one sentence; empty when there is nothing to do.
        code: A stable slug; the class's own when not given.
        transient: Whether the same call may succeed later without a change.
    """

    code: ClassVar[str] = "oceanid-error"
    is_transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        transient: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.slug = code or self.code
        self.transient = self.is_transient if transient is None else transient

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InvalidSpecification(OceanidError):
    """The job's description can't be run as it stands."""

    code = "invalid-specification"


class UnknownAttribute(InvalidSpecification):
    """The description uses a submit command that Oceanid does not know."""

    code = "unknown-attribute"


class MissingFile(InvalidSpecification):
    """A file that the job needs is not there, or is not what it must be."""

    code = "missing-file"


class UnsupportedCapability(InvalidSpecification):
    """The scheduler's engine can't do what the job asks for."""

    code = "unsupported-capability"


class NotPermitted(OceanidError):
    """The person may not do this."""

    code = "not-permitted"


class NotFound(OceanidError):
    """There is no such thing, or the person may not see it."""

    code = "not-found"


class LimitExceeded(OceanidError):
    """A limit that an administrator has set would be exceeded."""

    code = "limit-exceeded"


class IllegalTransition(OceanidError):
    """The thing's state does not allow this action."""

    code = "illegal-transition"


class InvalidSettings(OceanidError):
    """A value in the site's OCEANID settings can't be used."""

    code = "invalid-settings"


class LeaseLost(OceanidError):
    """Another supervisor holds what this one thought it held; nothing was written."""

    code = "lease-lost"
    is_transient = True


class EngineMissing(OceanidError):
    """No usable engine of this name is installed."""

    code = "engine-missing"


class EngineError(OceanidError):
    """The engine refused, or answered what it never should."""

    code = "engine-error"


class EngineUnavailable(EngineError):
    """The engine's scheduler could not be reached; says nothing about any job."""

    code = "engine-unavailable"
    is_transient = True


class InvalidValue(OceanidError):
    """A value that somebody gave can't be used."""

    code = "invalid-value"


class CloudMissing(OceanidError):
    """No usable cloud of this name is installed."""

    code = "cloud-missing"


class CloudError(OceanidError):
    """The cloud refused, or answered what it never should."""

    code = "cloud-error"


class CloudUnavailable(CloudError):
    """The cloud could not be reached; says nothing about any machine."""

    code = "cloud-unavailable"
    is_transient = True


class CloudThrottled(CloudUnavailable):
    """The cloud is asked too often; the same call succeeds later."""

    code = "cloud-throttled"


class CloudDenied(CloudError):
    """The account may not do this; its rights must be changed first."""

    code = "cloud-denied"


class CapacityShort(CloudError):
    """The cloud has no such machines left, here and now; another zone, type or price may do."""

    code = "capacity-short"
    is_transient = True


class QuotaExceeded(CloudError):
    """The account's quota at the cloud does not allow so many machines."""

    code = "quota-exceeded"


class NameTaken(CloudError):
    """Something that is not this cluster's has its name in the cloud account."""

    code = "name-taken"


class ResultsFailed(OceanidError):
    """A job's results function failed; the results are kept and it can be tried again."""

    code = "results-failed"


class WaitTimeout(OceanidError):
    """The job did not reach the awaited state in the given time; it goes on."""

    code = "wait-timeout"
    is_transient = True

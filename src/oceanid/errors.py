"""One error hierarchy; a code is the same stable slug in Python, API, CLI and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import ClassVar

_translator: Callable[[str], str] | None = None


def translate_with(translator: Callable[[str], str] | None) -> None:
    """Tell errors in other languages from now on: where they are read, in the reader's.

    Args:
        translator: What gives a text's translation at the moment, or the text; None for English.
    """
    global _translator
    _translator = translator


class OceanidError(Exception):
    """The root of everything that Oceanid raises on purpose.

    Message and hint are whole sentences for translators, with ``{name}`` where a value stands:
    no f-strings. ``make messages`` collects them.

    Args:
        message: What went wrong, in one sentence that a user can read.
        hint: What to do about it, in one sentence; empty when there is nothing to do.
        code: A stable slug; the class's own when not given.
        transient: Whether the same call may succeed later without a change.
        values: What stands in message and hint, as in :meth:`str.format`. Without any, both are
            told as they are, whatever braces are in them.
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
        **values: object,
    ) -> None:
        self._message, self._hint = message, hint
        self._values = {name: _kept(value) for name, value in values.items()}
        super().__init__(_filled(message, self._values))
        self.slug = code or self.code
        self.transient = self.is_transient if transient is None else transient

    @property
    def message(self) -> str:
        """What went wrong, in the language that is active now."""
        return _told(self._message, self._values)

    @property
    def hint(self) -> str:
        """What to do about it, in the language that is active now."""
        return _told(self._hint, self._values)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class _Kept:
    """What a value looked like: an error outlives what it tells of."""

    __slots__ = ("_shown", "_text")

    def __init__(self, value: object) -> None:
        self._text, self._shown = str(value), repr(value)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._shown

    def __format__(self, spec: str) -> str:
        return format(self._text, spec)


def _kept(value: object) -> object:
    return value if isinstance(value, str | int | float | Decimal | date) else _Kept(value)


def _filled(text: str, values: Mapping[str, object]) -> str:
    return str(text).format_map(values) if values else str(text)


def _told(text: str, values: Mapping[str, object]) -> str:
    if _translator is None or not text:
        return _filled(text, values)
    try:
        return _filled(_translator(str(text)), values)
    except (LookupError, ValueError, AttributeError):
        return _filled(text, values)  # a translation that names what is not there


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

"""What a running job may tell by its signed address: how far it is, and in what words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oceanid.errors import IllegalTransition, InvalidSettings, InvalidSpecification
from oceanid.models import Job
from oceanid.services import callbacks as signed
from oceanid.services import reports
from oceanid.services.callbacks import verify
from oceanid.states import Wanted

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["MOST_BYTES", "address", "apply", "verify"]

MOST_BYTES = 16 * 1024
KNOWN = ("progress", "message", "status")
MESSAGE_LENGTH = 2_000
STATUS_LENGTH = 255


def address(job: Job, *, request: HttpRequest | None = None) -> str:
    """The signed address for a job's present attempt; it expires with the attempt or by time.

    Args:
        job: An executed job.
        request: Where to take the portal's own address from when the settings name none.

    Raises:
        IllegalTransition: The job was not executed.
        InvalidSettings: The portal's own address is not known, or its pages are not included.
    """
    if job.wanted == Wanted.DRAFT.value or not job.attempt:
        raise IllegalTransition(
            "The job was not executed; it has no callback address yet.", hint="Execute it first."
        )
    known = signed.url(job)
    if known:
        return known
    if request is not None:
        from django.urls import reverse

        return request.build_absolute_uri(reverse("oceanid:callback", args=[signed.token(job)]))
    raise InvalidSettings(
        "The portal does not know the address at which jobs reach it.",
        hint="Set OCEANID['BASE_URL'], and include oceanid.urls in the site's addresses.",
    )


def apply(job: Job, payload: Mapping[str, Any]) -> None:
    """Write down what a job told of itself.

    Args:
        job: The job that :func:`verify` gave.
        payload: ``progress`` (0 to 100), ``message`` and ``status``, each optional. A job that a
            scheduler runs may give a custom status only: whether it runs is observed, not told.

    Raises:
        InvalidSpecification: A name or a value can't be used.
        IllegalTransition: The status is not for the job to say.
    """
    unknown = sorted(set(payload) - set(KNOWN))
    if unknown:
        raise InvalidSpecification(
            "A callback has no “{unknown}”.",
            hint="It has {known}.",
            unknown=str(unknown[0])[:60],
            known=", ".join(KNOWN),
        )
    percent = _percent(payload.get("progress"))
    message = _line(payload.get("message"), "message", MESSAGE_LENGTH)
    word = _line(payload.get("status"), "status", STATUS_LENGTH)
    if percent is None and not message and not word:
        raise InvalidSpecification("The callback says nothing.", hint="Give progress=0…100.")
    if word:
        reports.set_status(job, word, message=message)
    if percent is not None or (message and not word):
        reports.report_progress(job, percent, message)


def _percent(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number <= 100:
        raise InvalidSpecification("progress must be a number from 0 to 100.")
    return round(number)


def _line(value: Any, what: str, most: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise InvalidSpecification(
            "{what} must be text of at most {most:,} characters.", what=what, most=most
        )
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in value):
        raise InvalidSpecification("{what} has a control character.", what=what)
    try:
        value.encode()
    except UnicodeEncodeError as problem:
        raise InvalidSpecification("{what} is not valid text.", what=what) from problem
    return value.strip()

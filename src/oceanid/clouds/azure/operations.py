"""Operations of Azure's that take long: begun, remembered, and looked after step by step.

ARM tells how one goes on in three ways: by ``Azure-AsyncOperation``, by ``Location``, and by the
resource's own ``provisioningState``
(https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations). The SDK
knows them; here it polls only when it is told to, and its continuation token is kept before that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from oceanid.clouds.azure.refusals import Missing, told
from oceanid.clouds.azure.session import Session
from oceanid.errors import CloudError

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

PATIENCE_S: Final = 6.0
PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 2.0
_ENDED: Final = (400, 409, 412, 422)
"""Answers by which a ``Location`` tells that its operation failed, not that it can't be asked."""

Begin = Callable[..., "LROPoller[Any]"]
"""One of the SDK's ``begin_…`` methods with its arguments; it takes those of the polling."""
Keep = Callable[[str], Awaitable[None]]
"""Commits a token; "" forgets it."""


async def carried(
    session: Session, begin: Begin, *, kept: str, keep: Keep, patience_s: float | None = None
) -> bool:
    """Begin an operation, or go on with one that was begun, and wait a little for it.

    Args:
        session: Whose.
        begin: What begins it.
        kept: The token of one that was begun, "" for none.
        keep: Commits the token before the operation is looked after.
        patience_s: How long it is waited for, seconds; None for the usual time.

    Returns:
        True when it came to its end; False while it is under way.

    Raises:
        CloudError: It failed; its token is forgotten.
    """
    poller, kept = await opened(session, begin, kept=kept, keep=keep)
    return await concluded(session, poller, kept=kept, keep=keep, patience_s=patience_s)


async def concluded(
    session: Session,
    poller: LROPoller[Any],
    *,
    kept: str,
    keep: Keep,
    patience_s: float | None = None,
) -> bool:
    """The second half of :func:`carried`."""
    try:
        return await followed(session, poller, kept=kept, keep=keep, patience_s=patience_s)
    except CloudError:
        # An answer that did not come says nothing about the operation.
        if kept and has_failed(poller):
            await keep("")
        raise


async def opened(
    session: Session, begin: Begin, *, kept: str, keep: Keep
) -> tuple[LROPoller[Any], str]:
    """Begin an operation, or take up one that was begun; and the token it is kept by."""
    if kept and (poller := await _resumed(session, begin, kept)) is not None:
        return poller, kept
    poller = await begun(session, begin)
    if token := token_of(poller):
        await keep(token)
    return poller, token


async def followed(
    session: Session,
    poller: LROPoller[Any],
    *,
    kept: str,
    keep: Keep,
    patience_s: float | None = None,
) -> bool:
    """Wait a little for an operation, as :func:`carried` does; but the token of one that failed
    stays, for whoever must clean up after it first."""
    until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    pause_s = PAUSE_S
    while True:
        try:
            if await _stepped(session, poller):
                break
        except Missing:
            break  # nobody knows of it any more: it is long over
        if time.monotonic() + pause_s > until:
            return False
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    if kept:
        await keep("")
    return True


def has_failed(poller: LROPoller[Any]) -> bool:
    """Whether an operation is known to have failed."""
    return bool(poller.polling_method().status() == "Failed")


async def begun(session: Session, begin: Begin) -> LROPoller[Any]:
    """Begin an operation; it is not looked after."""
    return await session.call(lambda: begin(polling=_polling()))


def token_of(poller: LROPoller[Any]) -> str:
    """By what an operation is gone on with; "" when it is over already."""
    return "" if poller.polling_method().finished() else poller.continuation_token()


async def _resumed(session: Session, begin: Begin, kept: str) -> LROPoller[Any] | None:
    try:
        return await session.call(lambda: begin(continuation_token=kept, polling=_polling()))
    except (ValueError, KeyError):
        return None  # of another version of the SDK: what stands tells how far it came


async def _stepped(session: Session, poller: LROPoller[Any]) -> bool:
    def step() -> bool:
        with told({}):
            stepped: bool = poller.polling_method().step()  # type: ignore[attr-defined]
            return stepped

    return await session.call(step)


def _polling() -> Any:
    from azure.core.exceptions import HttpResponseError
    from azure.core.polling.base_polling import BadResponse, BadStatus
    from azure.mgmt.core.polling.arm_polling import ARMPolling

    class StepByStep(ARMPolling):
        """Asks once whenever it is told to, and never by itself."""

        def run(self) -> None:
            """Nothing: the thread that the SDK makes for this ends at once."""

        def step(self) -> bool:
            if not self.finished():
                try:
                    self.update_status()
                except (BadStatus, BadResponse) as problem:
                    if self._pipeline_response.http_response.status_code in _ENDED:
                        self._status = "Failed"
                    raise HttpResponseError(
                        message=str(problem), response=self._pipeline_response.http_response
                    ) from problem
            if self.status().lower() in ("failed", "canceled"):
                self._status = "Failed"
                raise HttpResponseError(response=self._pipeline_response.http_response)
            return bool(self.finished())

    return StepByStep(timeout=PAUSE_S)

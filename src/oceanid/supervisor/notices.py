"""Tells people: turns changes into notices, and sends e-mails and webhooks' messages."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import Error as DatabaseError
from django.utils import timezone

from oceanid import conf
from oceanid.errors import LeaseLost, OceanidError
from oceanid.models import Channel, Delivery
from oceanid.services import deliveries, leases, notices, webhooks
from oceanid.services.deliveries import Key, Outcome
from oceanid.services.leases import Hold
from oceanid.services.telling import mail_address
from oceanid.services.wake import NOTICE
from oceanid.supervisor import messages
from oceanid.supervisor.posting import Poster
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

GATHER_S = 0.5
"""How long changes are gathered before people are told."""
POSTS_AT_ONCE = 200
OF_ONE_PERSON = 4
"""Posts of one person at once: whose targets are slow keeps only their own waiting."""
MAILS_AT_ONCE = 2
MAIL_TIMEOUT_S = 30.0


class NoticeDriver:
    """Tells people while it holds the lease on notices."""

    def __init__(self, hold: Hold, around: Surroundings) -> None:
        self.hold = hold
        self.around = around
        self.db = around.db
        settings = conf.current().notifications
        self.poster = Poster(webhooks.allowed(), timeout_s=settings.webhook_timeout_s)
        self.posts = asyncio.Semaphore(POSTS_AT_ONCE)
        self.of_person: defaultdict[Any, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(OF_ONE_PERSON)
        )
        self.mails = ThreadPoolExecutor(MAILS_AT_ONCE, thread_name_prefix="oceanid-mail")
        self.free_mails = asyncio.Semaphore(MAILS_AT_ONCE)
        self.under_way: set[Key] = set()
        self.stirred = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LeaseLost: Another supervisor does it now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew())
                group.create_task(self._tell())
                group.create_task(self._send(group))
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            self.mails.shutdown(wait=False, cancel_futures=True)

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost("Another supervisor tells people now.")

    async def _tell(self) -> None:
        """Take what is in the outbox, whole bursts of it, and have it sent."""
        async with self.around.waker.listening(NOTICE) as changed:
            while True:
                changed.clear()
                while await self.db(notices.fan_out, self.hold):
                    self.stirred.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.around.settings.sweep_s):
                        await changed.wait()
                await asyncio.sleep(GATHER_S)

    async def _send(self, group: asyncio.TaskGroup) -> None:
        """Send what is due; a slow target keeps only its own messages waiting."""
        async with self.around.waker.listening(NOTICE) as changed:
            while True:
                changed.clear()
                self.stirred.clear()
                found, following = await self.db(deliveries.due, without=set(self.under_way))
                for message in found:
                    self.under_way.add(deliveries.key_of(message))
                    group.create_task(self._deliver(message))
                pause_s = self.around.settings.sweep_s
                if following is not None:
                    pause_s = min(pause_s, (following - timezone.now()).total_seconds())
                waits = [asyncio.create_task(each.wait()) for each in (changed, self.stirred)]
                try:
                    await asyncio.wait(
                        waits, timeout=max(0.05, pause_s), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    for each in waits:
                        each.cancel()

    async def _deliver(self, message: Delivery) -> None:
        key = deliveries.key_of(message)
        is_mail = message.channel == Channel.EMAIL
        try:
            async with self._turn(message.user_id, is_mail=is_mail):
                claimed = await self.db(deliveries.claim, self.hold, message.pk)
                if claimed is not None:
                    outcome = await self._try(claimed)
                    await self.db(deliveries.ended, self.hold, claimed, outcome)
                    log.info(
                        "Message %s: %s", claimed.uuid, outcome.problem or "delivered",
                        extra={"action": "notice.sent" if outcome.ok else "notice.failed"},
                    )  # fmt: skip
        finally:
            self.under_way.discard(key)
            self.stirred.set()

    async def _try(self, message: Delivery) -> Outcome:
        send = self._mail if message.channel == Channel.EMAIL else self._post
        try:
            return await send(message)
        except DatabaseError:
            raise
        except Exception as problem:
            # One odd message must not keep all the others from going.
            log.exception(
                "Message %s can't be sent.", message.uuid, extra={"action": "notice.broke"}
            )
            return Outcome(False, f"It can't be sent: {type(problem).__name__}.")

    @asynccontextmanager
    async def _turn(self, user_id: Any, *, is_mail: bool) -> AsyncIterator[None]:
        """Wait until one may send."""
        if is_mail:
            async with self.free_mails:
                yield
            return
        async with self.of_person[user_id], self.posts:
            yield

    async def _post(self, message: Delivery) -> Outcome:
        hook = message.webhook
        if hook is None:
            return Outcome(False, "The webhook was removed.", is_final=True)
        try:
            secret = str(hook.secret.get("key", ""))
        except OceanidError as problem:
            return Outcome(False, problem.message)
        return await self.poster.post(
            hook.url,
            secret=secret,
            identity=str(message.uuid),
            body=messages.payload(message),
        )

    async def _mail(self, message: Delivery) -> Outcome:
        address = mail_address(message.user)
        if not address:
            return Outcome(False, "There is no address to send it to any more.", is_final=True)
        mail = messages.mail(message)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self.mails, _send_mail, mail, address, str(message.uuid))
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return Outcome(False, f"The mail server: {problem}"[:500])
        return Outcome(True)


def _send_mail(mail: messages.Mail, address: str, identity: str) -> None:
    connection = get_connection(timeout=MAIL_TIMEOUT_S)
    headers = {"Oceanid-Id": identity, "Auto-Submitted": "auto-generated"}
    email = EmailMultiAlternatives(
        mail.subject, mail.text, to=[address], connection=connection, headers=headers
    )
    email.attach_alternative(mail.html, "text/html")
    email.send()

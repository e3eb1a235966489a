"""Opens one SSH connection with a checked host key, and tells in words what went wrong."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from typing import Any

import asyncssh

from oceanid.engines.htcondor.shell.keys import (
    fingerprint_of,
    host_keys,
    line_of,
    private_key,
    signatures_for,
)
from oceanid.engines.htcondor.shell.target import (
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    Target,
)
from oceanid.errors import EngineError, EngineUnavailable

# It tells each session at level INFO; never a secret, but for a supervisor far too much.
logging.getLogger("asyncssh").setLevel(logging.WARNING)


async def connect(
    target: Target, *, connect_timeout_s: float, keepalive_s: float
) -> asyncssh.SSHClientConnection:
    """Connect to a machine, through another one when the target says so.

    A connection that froze without a reset is given up after four times ``keepalive_s``.

    Raises:
        HostKeyUnknown: Nobody has accepted its host key yet.
        HostKeyChanged: It shows another host key than the accepted one.
        LoginRefused: It did not let the account in.
        KeyUnusable: The private key can't be read.
        EngineUnavailable: It could not be reached.
    """
    # A key's passphrase takes a while on purpose, which is not the machine's fault.
    credentials = await _credentials(target)
    tunnel = None
    if target.jump is not None:
        tunnel = await connect(
            replace(target.jump, jump=None),
            connect_timeout_s=connect_timeout_s,
            keepalive_s=keepalive_s,
        )
    accepted = host_keys(target.host_key)
    visitor = _Visitor(accepted)
    try:
        async with asyncio.timeout(connect_timeout_s):
            connection, _ = await asyncssh.create_connection(
                lambda: visitor,
                target.host,
                target.port,
                tunnel=tunnel or (),
                config=None,
                known_hosts=([], [], []),
                server_host_key_algs=signatures_for(accepted) or (),
                keepalive_interval=keepalive_s,
                keepalive_count_max=3,
                connect_timeout=connect_timeout_s,
                login_timeout=connect_timeout_s,
                **credentials,
            )
    except BaseException as problem:
        if tunnel is not None:
            tunnel.close()
        broke_off = isinstance(problem, asyncssh.Error | ConnectionResetError)
        if accepted and visitor.shown is None and broke_off:
            # Perhaps it has no key of the accepted kind any more: look which one it has.
            return await _look_again(target, accepted, connect_timeout_s)
        if isinstance(problem, asyncssh.Error | OSError | TimeoutError):
            raise told(problem, target, visitor.shown, accepted) from problem
        raise
    if tunnel is not None:
        # The way goes with the connection that goes along it.
        connection.set_extra_info(oceanid_tunnel=tunnel)
    return connection


def told(
    problem: BaseException,
    target: Target,
    shown: asyncssh.SSHKey | None = None,
    accepted: tuple[asyncssh.SSHKey, ...] = (),
) -> EngineError:
    """What went wrong, for a person."""
    where = target.address
    if isinstance(problem, asyncssh.HostKeyNotVerifiable) and shown is not None:
        line, fingerprint = line_of(shown), fingerprint_of(shown)
        if not accepted:
            return HostKeyUnknown(target=target, key=line, fingerprint=fingerprint)
        known = tuple(fingerprint_of(key) for key in accepted)
        return HostKeyChanged(target=target, key=line, fingerprint=fingerprint, accepted=known)
    if isinstance(problem, asyncssh.PermissionDenied):
        return LoginRefused(
            "{where} did not let us in.",
            hint="Check the user name, and that the key's public half stands in that account's "
            "~/.ssh/authorized_keys (or that the password is right).",
            where=where,
        )
    if isinstance(problem, TimeoutError):
        return EngineUnavailable(
            "{where} did not answer in time.",
            hint="Is it on, and does a firewall let the portal reach its SSH port?",
            where=where,
        )
    if isinstance(problem, asyncssh.ChannelOpenError):
        return EngineUnavailable(
            "{where} opened no session: {reason}.",
            hint="The SSH server's MaxSessions must be at least 1.",
            code="no-session",
            where=where,
            reason=problem.reason,
        )
    if isinstance(problem, asyncssh.Error):
        return EngineUnavailable(
            "The connection to {where} failed: {reason}.", where=where, reason=problem.reason
        )
    reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return EngineUnavailable(
        "{where} can't be reached: {reason}.",
        hint="Check the host's name and port, and that its SSH server runs.",
        where=where,
        reason=reason,
    )


class _Visitor(asyncssh.SSHClient):
    """Accepts the host keys that were accepted before, and remembers what it was shown."""

    def __init__(self, accepted: tuple[asyncssh.SSHKey, ...]) -> None:
        self._accepted = {key.public_data for key in accepted}
        self.shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.shown = key
        return key.public_data in self._accepted


async def _look_again(
    target: Target, accepted: tuple[asyncssh.SSHKey, ...], connect_timeout_s: float
) -> asyncssh.SSHClientConnection:
    try:
        await connect(
            replace(target, host_key=""), connect_timeout_s=connect_timeout_s, keepalive_s=0
        )
    except HostKeyUnknown as seen:
        raise HostKeyChanged(
            target=seen.target,
            key=seen.key,
            fingerprint=seen.fingerprint,
            accepted=tuple(fingerprint_of(key) for key in accepted),
        ) from None
    raise AssertionError("a connection without an accepted host key")


async def _credentials(target: Target) -> dict[str, Any]:
    keys: list[Any] = []
    own = await asyncio.to_thread(private_key, target)
    if own is not None:
        keys.append(own)
    if target.use_agent:
        keys += await _agents_keys()
    given: dict[str, Any] = {
        "client_keys": keys or None,
        "agent_path": None,
        "password": target.password or None,
        "gss_auth": False,
        "gss_kex": False,
    }
    if target.user:
        given["username"] = target.user
    return given


async def _agents_keys() -> list[Any]:
    path = os.environ.get("SSH_AUTH_SOCK", "")
    try:
        return list(await (await asyncssh.connect_agent(path)).get_keys())
    except (OSError, asyncssh.Error) as problem:
        raise EngineError(
            "The SSH agent does not answer.",
            hint="Start the supervisor with SSH_AUTH_SOCK set, or give a key's path instead.",
            code="no-agent",
        ) from problem

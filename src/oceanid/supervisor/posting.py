"""Posts to a webhook: looks its host up once, and speaks only with the address that was checked."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from oceanid import __version__
from oceanid.errors import NotPermitted
from oceanid.services import targets
from oceanid.services.deliveries import Outcome
from oceanid.services.webhooks import signature

HEAD_LIMIT = 16 * 1024
BODY_READ = 4 * 1024
MOST_ADDRESSES = 3
FAR_AHEAD_S = 86_400.0
FINAL = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 451, 501, 505})
"""Answers that another try would get again."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\Z")

Lookup = Callable[[str, int], Awaitable[list[str]]]

_lookups = ThreadPoolExecutor(32, thread_name_prefix="oceanid-lookup")


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, asked for in a thread that nothing else waits for.

    Raises:
        OSError: It has none, or nobody knows.
    """
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        _lookups,
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP),
    )
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Poster:
    """Posts messages; knows what an administrator lists.

    Args:
        allowed: Hosts and networks that are listed.
        timeout_s: The most that one try may take, from the look-up to the answer.
        lookup: Gives the addresses of a host.
        trust: Whose certificates are believed; the system's when None.
    """

    def __init__(
        self,
        allowed: targets.Allowed,
        *,
        timeout_s: float,
        lookup: Lookup = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._lookup = lookup
        self._trust = trust or ssl.create_default_context()

    async def post(self, url: str, *, secret: str, identity: str, body: bytes) -> Outcome:
        """Try once; redirects are not followed, and the answer's beginning is all that is read."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(url, secret=secret, identity=identity, body=body)
        except NotPermitted as refused:
            return Outcome(False, refused.message, is_final=True)
        except TimeoutError:
            return Outcome(False, f"There was no whole answer within {self._timeout_s:g} s.")
        except ssl.SSLError as problem:
            return Outcome(False, f"TLS failed: {problem.reason or problem}")
        except socket.gaierror as problem:
            return Outcome(False, f"The host was not found: {problem.strerror}")
        except OSError as problem:
            return Outcome(False, f"The connection failed: {problem.strerror or problem}")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as problem:
            return Outcome(False, f"The answer was no HTTP: {type(problem).__name__}")

    async def _post(self, url: str, *, secret: str, identity: str, body: bytes) -> Outcome:
        target = targets.parse(url, self._allowed)
        addresses = await self._lookup(target.host, target.port)
        targets.check(target, addresses, self._allowed)
        if not target.is_listed:
            own = _own()
            if any(each in own and not self._covers(each) for each in addresses):
                raise NotPermitted("The host is this portal's own machine.")
        reader, writer = await self._connect(target, addresses[:MOST_ADDRESSES])
        try:
            writer.write(_request(target, secret=secret, identity=identity, body=body))
            await writer.drain()
            return await _answer(reader)
        finally:
            # The other side may never say goodbye: it is not waited for.
            writer.transport.abort()

    async def _connect(
        self, target: targets.Target, addresses: list[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to one of the addresses that were checked: a name is not looked up again."""
        tls = self._trust if target.scheme == "https" else None
        *others, last = addresses
        for address in others:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._timeout_s / (MOST_ADDRESSES + 1)):
                    return await self._open(address, target, tls)
        return await self._open(last, target, tls)

    async def _open(
        self, address: str, target: targets.Target, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = target.host if tls else None
        return await asyncio.open_connection(
            address, target.port, ssl=tls, server_hostname=name, limit=HEAD_LIMIT
        )

    def _covers(self, address: str) -> bool:
        literal = targets.literal(address)
        return literal is not None and self._allowed.covers(literal)


def _own() -> set[str]:
    """The addresses of this machine, its public ones too."""
    return {each.address for cards in psutil.net_if_addrs().values() for each in cards}


def _request(target: targets.Target, *, secret: str, identity: str, body: bytes) -> bytes:
    timestamp = int(time.time())
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: Oceanid/{__version__}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        f"Oceanid-Id: {identity}",
        f"Oceanid-Timestamp: {timestamp}",
        f"Oceanid-Signature: {signature(secret, timestamp, body)}",
        "Accept: */*",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


async def _answer(reader: asyncio.StreamReader) -> Outcome:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        match = _STATUS.match(first)
        if match is None:
            raise ValueError(first)
        status = int(match[1])
        if status >= 200:
            break
    headers = _headers(lines)
    text = await _beginning(reader, chunked=b"chunked" in headers.get(b"transfer-encoding", b""))
    if 200 <= status < 300:
        return Outcome(True, status=status, answer=text)
    problem = f"It answered {status}."
    if 300 <= status < 400:
        problem = f"It answered {status}: redirects are not followed."
    return Outcome(
        False,
        problem,
        status=status,
        answer=text,
        is_final=status in FINAL or 300 <= status < 400,
        again_s=_again_s(headers.get(b"retry-after", b"")),
    )


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in lines)
    return {name.strip().lower(): value.strip().lower() for name, _colon, value in pairs}


async def _beginning(reader: asyncio.StreamReader, *, chunked: bool) -> str:
    """How the body begins; how it ends does not matter."""
    body = b""
    try:
        async with asyncio.timeout(2.0):
            while len(body) < BODY_READ and (piece := await reader.read(BODY_READ - len(body))):
                body += piece
    except (TimeoutError, OSError):
        pass  # what came is what is shown
    if chunked:
        body = re.sub(rb"\A[0-9a-fA-F]+[^\r\n]*\r\n", b"", body).removesuffix(b"\r\n0\r\n\r\n")
    return body.decode("utf-8", "replace").strip()


def _again_s(value: bytes) -> float | None:
    if value.isdigit() and len(value) < 9:
        return min(float(value), FAR_AHEAD_S)
    return None

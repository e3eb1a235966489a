"""Somebody's server that webhooks are sent to: answers as it is told, and keeps what it heard."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body."""
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is that of the secret; computed as a stranger would."""
        signed = self.headers["oceanid-timestamp"].encode() + b"." + self.body
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return self.headers["oceanid-signature"] == f"v1={expected}"


@dataclass
class Listener:
    """A server on a port of this machine."""

    port: int
    answer: Callable[[socket.socket, int], None]
    heard: list[Heard] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is, for a webhook."""
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    @property
    def ids(self) -> list[str]:
        """The identity of each message, in the order of their arrival."""
        return [each.headers["oceanid-id"] for each in self.heard]


def always(*answers: bytes) -> Callable[[socket.socket, int], None]:
    """Give these answers, one after another, the last one for ever."""

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(answers[min(number, len(answers) - 1)])

    return answer


def silence(gate: threading.Event) -> Callable[[socket.socket, int], None]:
    """Say nothing until the gate is open."""

    def answer(connection: socket.socket, number: int) -> None:
        gate.wait(60)
        with suppress(OSError):
            connection.sendall(OK)

    return answer


@contextmanager
def listening(
    answer: Callable[[socket.socket, int], None] | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Listener]:
    """A server while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Listener(server.getsockname()[1], answer or always(OK))
        thread = threading.Thread(target=_serve, args=(server, found, tls), daemon=True)
        thread.start()
        yield found
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, found: Listener, tls: ssl.SSLContext | None) -> None:
    number = 0
    while True:
        try:
            connection, _address = server.accept()
        except OSError:
            return
        arguments = (connection, found, number, tls)
        threading.Thread(target=_speak, args=arguments, daemon=True).start()
        number += 1


def _speak(
    connection: socket.socket, found: Listener, number: int, tls: ssl.SSLContext | None
) -> None:
    with suppress(OSError), connection:
        if tls is not None:
            connection = tls.wrap_socket(connection, server_side=True)
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65536)
            if not piece:
                return
            text += piece
        head, _gap, body = text.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _c, value in
                   (line.partition(":") for line in lines)}  # fmt: skip
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
        found.heard.append(Heard(first.split()[1], headers, body))
        found.answer(connection, number)

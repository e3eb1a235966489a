"""A post speaks with the address that was checked and no other, briefly, and believes no answer."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from oceanid.services.deliveries import Outcome
from oceanid.services.targets import Allowed
from oceanid.supervisor.posting import BODY_READ, Poster
from tests.integration.supervisor.listener import OK, always, listening, silence

HERE = Allowed(("127.0.0.1",))
NAME = "hooks.example.org"


def post(
    url: str,
    *,
    allowed: Allowed = HERE,
    timeout_s: float = 5.0,
    body: bytes = b'{"a":1}',
    **more: Any,
) -> Outcome:
    poster = Poster(allowed, timeout_s=timeout_s, **more)
    return asyncio.run(poster.post(url, secret="the secret", identity="i-1", body=body))


def leads(*addresses: str) -> Callable[..., Any]:
    """A look-up that gives these answers, one at each call."""
    left = list(addresses)

    async def lookup(host: str, port: int) -> list[str]:
        return [left.pop(0)]

    return lookup


def test_a_post_is_signed_and_has_an_identity() -> None:
    with listening() as there:
        assert post(there.url) == Outcome(True, status=200, answer="ok")
    (heard,) = there.heard
    assert heard.path == "/hook?x=1"
    assert heard.body == b'{"a":1}'
    assert heard.headers["oceanid-id"] == "i-1"
    assert heard.headers["host"] == f"127.0.0.1:{there.port}"
    assert heard.headers["content-type"].startswith("application/json")
    assert abs(int(heard.headers["oceanid-timestamp"]) - time.time()) < 60
    assert heard.is_signed_with("the secret")
    assert not heard.is_signed_with("another")


def test_nothing_is_sent_to_who_is_not_listed() -> None:
    with listening() as there:
        outcome = post(there.url, allowed=Allowed(()))
        named = post(f"http://localhost:{there.port}/", allowed=Allowed(("10.0.0.0/8",)))
    assert outcome.is_final and named.is_final
    assert there.heard == []


def test_a_name_is_looked_up_once_and_the_checked_address_is_used() -> None:
    with listening() as there:
        url = f"http://{NAME}:{there.port}/"
        outcome = post(url, lookup=leads("127.0.0.1", "10.9.9.9"))
        refused = post(url, lookup=leads("169.254.169.254", "127.0.0.1"))
    assert outcome.ok
    assert [each.headers["host"] for each in there.heard] == [f"{NAME}:{there.port}"]
    assert refused.is_final and "public" in refused.problem


def test_another_address_of_the_host_is_tried() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.1"]

    with listening() as there:
        outcome = post(
            f"http://{NAME}:{there.port}/", lookup=both, allowed=Allowed(("127.0.0.0/29",))
        )
    assert outcome.ok


def test_the_portals_own_public_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanid.supervisor.posting._own", lambda: {"8.8.8.8"})
    outcome = post(f"https://{NAME}/", allowed=Allowed(()), lookup=leads("8.8.8.8"))
    assert (outcome.is_final, outcome.problem) == (True, "The host is this portal's own machine.")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with listening() as secret_place, listening() as there:
        there.answer = always(
            f"HTTP/1.1 {status} Moved\r\nLocation: {secret_place.url}\r\n\r\n".encode()
        )
        outcome = post(there.url)
    assert (outcome.ok, outcome.status, outcome.is_final) == (False, status, True)
    assert secret_place.heard == []


@pytest.mark.parametrize(
    ("status", "is_final"), [(400, True), (404, True), (410, True), (408, False), (429, False),
                             (500, False), (503, False), (418, False)],
)  # fmt: skip
def test_a_refusal_is_told_and_tried_again_where_that_makes_sense(
    status: int, is_final: bool
) -> None:
    answer = f"HTTP/1.1 {status} Hm\r\nRetry-After: 30\r\nContent-Length: 3\r\n\r\nno!"
    with listening(always(answer.encode())) as there:
        outcome = post(there.url)
    assert outcome == Outcome(
        False,
        f"It answered {status}.",
        status=status,
        answer="no!",
        is_final=is_final,
        again_s=30.0,
    )


def test_who_says_nothing_is_left_in_time() -> None:
    gate = threading.Event()
    with listening(silence(gate)) as there:
        begun = time.monotonic()
        outcome = post(there.url, timeout_s=0.5)
        assert time.monotonic() - begun < 5
        gate.set()
    assert not outcome.ok and not outcome.is_final
    assert "0.5 s" in outcome.problem


def test_who_drips_is_left_in_time() -> None:
    def drip(connection: socket.socket, number: int) -> None:
        for _piece in range(600):
            connection.sendall(b"H")
            time.sleep(0.05)

    with listening(drip) as there:
        begun = time.monotonic()
        assert not post(there.url, timeout_s=0.5).ok
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", bytes(range(256)) * 400,
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_http_is_no_delivery(answer: bytes) -> None:
    with listening(always(answer)) as there:
        outcome = post(there.url)
    assert not outcome.ok
    assert outcome.problem


def test_an_endless_answer_is_cut() -> None:
    def pour(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _piece in range(10_000):
            connection.sendall(b"<script>" * 1000)

    with listening(pour) as there:
        outcome = post(there.url)
    assert outcome.ok
    assert len(outcome.answer) <= BODY_READ


def test_a_go_on_before_the_answer_and_pieces_are_understood() -> None:
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    with listening(always(answer)) as there:
        assert post(there.url) == Outcome(True, status=200, answer="hello")


def test_a_host_that_nobody_knows_and_a_closed_port_are_told() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outcome = post(f"https://{NAME}/", lookup=unknown)
    assert "not found" in outcome.problem and not outcome.is_final
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "connection failed" in post(f"http://127.0.0.1:{port}/").problem


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for one name, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_tls_checks_the_hosts_name_though_its_address_is_fixed(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate))
    with listening(always(OK), tls=server) as there:
        urls = {name: f"https://{name}:{there.port}/" for name in (NAME, "other.example.org")}
        right = post(urls[NAME], lookup=leads("127.0.0.1"), trust=trust)
        wrong = post(urls["other.example.org"], lookup=leads("127.0.0.1"), trust=trust)
        stranger = post(urls[NAME], lookup=leads("127.0.0.1"))
    assert right.ok
    assert "TLS failed" in wrong.problem and "TLS failed" in stranger.problem
    assert len(there.heard) == 1

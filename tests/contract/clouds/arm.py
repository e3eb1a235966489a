"""A small Azure on the loopback, over TLS: a tenant's token endpoint and a subscription.

It answers as Microsoft's documentation says, as far as Oceanid relies on it: OpenID metadata, a
token for a client assertion that a known certificate signed, and ``GET /subscriptions/{id}``.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from tests.contract.clouds.certificates import certificate_of, pem_of, private_file, rsa_key

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"
TOKEN = "a-token-of-the-fake"


@dataclass
class FakeAzure:
    """The server, and what a test sets of it.

    Args:
        folder: Where its own key and certificate go.
        state: The subscription's state.
        refuse: A code with which the subscription is refused, with its HTTP status.
        is_silent: Whether it takes requests and never answers.
    """

    folder: Path
    state: str = "Enabled"
    refuse: tuple[int, str] | None = None
    is_silent: bool = False
    known: list[x509.Certificate] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        key = rsa_key()
        certificate = certificate_of(key, for_server=True)
        self.ca = private_file(self.folder / "fake-azure-ca.pem", certificate)
        chain = private_file(self.folder / "fake-azure.pem", pem_of(key) + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def know(self, pem: bytes) -> None:
        """Upload a certificate to the app registration."""
        self.known.append(x509.load_pem_x509_certificate(pem))

    def stop(self) -> None:
        """Be no more."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def token(self, tenant: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Answer the client-credentials flow with a certificate (Microsoft identity platform)."""
        if tenant != TENANT:
            return _refused("AADSTS90002", "invalid_request", f"Tenant '{tenant}' not found.")
        if form.get("client_id") != [CLIENT]:
            return _refused("AADSTS700016", "unauthorized_client", "Application was not found.")
        assertion = form["client_assertion"][0]
        if not any(_signed_by(assertion, each) for each in self.known):
            return _refused("AADSTS700027", "invalid_client", "The key was not found.")
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}

    def subscription(self, wanted: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """Answer Subscriptions - Get of ARM."""
        if authorization != f"Bearer {TOKEN}":
            return _error(401, "AuthenticationFailed")
        if self.refuse is not None:
            return _error(*self.refuse)
        if wanted != SUBSCRIPTION:
            return _error(404, "SubscriptionNotFound")
        found = {"subscriptionId": wanted, "displayName": "Rivers", "state": self.state}
        return 200, {"id": f"/subscriptions/{wanted}", **found}


def _refused(code: str, error: str, told: str) -> tuple[int, dict[str, Any]]:
    return 400, {"error": error, "error_description": f"{code}: {told} Trace ID: 1"}


def _error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": code, "message": f"It is {code}."}}


def _signed_by(assertion: str, certificate: x509.Certificate) -> bool:
    head, body, signature = assertion.split(".")
    key: Any = certificate.public_key()
    algorithm = json.loads(_decoded(head))["alg"]
    scheme: Any = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        scheme = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    try:
        key.verify(_decoded(signature), f"{head}.{body}".encode(), scheme, SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _handler(azure: FakeAzure) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            azure.asked.append(f"GET {path}")
            if path.endswith("/.well-known/openid-configuration"):
                tenant = path.split("/")[1]
                base = f"{azure.address}/{tenant}"
                self._answer(
                    200,
                    {
                        "issuer": f"{base}/v2.0",
                        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                        "token_endpoint": f"{base}/oauth2/v2.0/token",
                    },
                )
            elif path.startswith("/subscriptions/"):
                wanted = path.split("/")[2]
                self._answer(*azure.subscription(wanted, self.headers.get("Authorization", "")))
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            azure.asked.append(f"POST {path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer(*azure.token(path.split("/")[1], parse_qs(body.decode())))

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            if azure.is_silent:
                azure.released.wait()
                return
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler

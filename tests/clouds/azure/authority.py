"""The small Azure's tenant: OpenID metadata, and a token for an assertion that a known certificate
signed (Microsoft identity platform, client credentials flow)."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from tests.clouds.azure.answers import Answer

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"


class Authority:
    """One tenant with one app registration."""

    def __init__(self) -> None:
        self.known: list[x509.Certificate] = []
        self.token_given = secrets.token_urlsafe(24)
        self.asked: list[str] = []

    def know(self, pem: bytes) -> None:
        """Upload a certificate to the app registration."""
        self.known.append(x509.load_pem_x509_certificate(pem))

    def answer(self, address: str, path: str, body: bytes) -> Answer:
        """Answer what is asked of it."""
        self.asked.append(path)
        tenant = path.split("/")[1]
        if path.endswith("/.well-known/openid-configuration"):
            base = f"{address}/{tenant}"
            return Answer(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
        if path.endswith("/oauth2/v2.0/token"):
            return self._token(tenant, parse_qs(body.decode()))
        return Answer(404, {})

    def _token(self, tenant: str, form: dict[str, list[str]]) -> Answer:
        if tenant != TENANT:
            return _refused("AADSTS90002", "invalid_request", f"Tenant '{tenant}' not found.")
        if form.get("client_id") != [CLIENT]:
            return _refused("AADSTS700016", "unauthorized_client", "Application was not found.")
        assertion = form["client_assertion"][0]
        if not any(_signed_by(assertion, each) for each in self.known):
            return _refused("AADSTS700027", "invalid_client", "The key was not found.")
        token = {"token_type": "Bearer", "expires_in": 3599, "access_token": self.token_given}
        return Answer(200, token)


def _refused(code: str, error: str, told: str) -> Answer:
    return Answer(400, {"error": error, "error_description": f"{code}: {told} Trace ID: 1"})


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

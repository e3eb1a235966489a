"""Keys and certificates as an administrator would have them, made for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256


def private_file(path: Path, data: bytes) -> Path:
    """A file that only its owner may read."""
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def rsa_key() -> rsa.RSAPrivateKey:
    """A key."""
    return rsa.generate_private_key(65537, 2048)


def pem_of(key: rsa.RSAPrivateKey, password: str = "") -> bytes:
    """A private key as PEM."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        protection = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def certificate_of(key: rsa.RSAPrivateKey, *, days: float = 90, for_server: bool = False) -> bytes:
    """A self-signed certificate as PEM."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "oceanid")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=200))
        .not_valid_after(now + timedelta(days=days))
    )
    if for_server:
        here = x509.IPAddress(ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([here]), critical=False)
    return builder.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)


def both(path: Path, *, days: float = 90, password: str = "") -> Path:
    """One PEM file with a certificate and its key."""
    key = rsa_key()
    return private_file(path, pem_of(key, password) + certificate_of(key, days=days))

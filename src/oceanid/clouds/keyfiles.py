"""Looks at the files on the portal's machine that an account names: keys and certificates."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from oceanid.errors import InvalidValue

MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of a certificate whose private key stands beside it.

    Args:
        thumbprint: The SHA-1 of it in hex, as Azure's portal shows it.
        good_until: When it expires.
    """

    thumbprint: str
    good_until: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.good_until - now).days


def read_private(path_text: str) -> bytes:
    """The content of a file that holds a private key, if it is kept as such a file must be.

    Raises:
        InvalidValue: It is not there, is no plain file, can't be read, is too large, or every
            user of the machine may read it.
    """
    path = Path(path_text).expanduser()
    if not path.is_absolute():
        raise InvalidValue(
            "“{path_text}” is not a whole path.",
            hint="Give it from the root on, as in /etc/oceanid/key.pem.",
            path_text=path_text,
        )
    try:
        # A pipe or a device must not keep the page waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as problem:
        raise _unreadable(path_text, problem) from problem
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidValue(
                "“{path_text}” is not a file.",
                hint="Give the key file's path.",
                path_text=path_text,
            )
        if found.st_mode & 0o007:
            raise InvalidValue(
                "Every user of the portal's machine can get at “{path_text}”.",
                hint="Run on that machine: chmod 600 {path_text}",
                path_text=path_text,
            )
        if found.st_size > MOST_BYTES:
            raise InvalidValue(
                "“{path_text}” is too large for a key.",
                hint="Give the key file's path.",
                path_text=path_text,
            )
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)


def public_half(path_text: str, password: str = "") -> str:
    """The public half of an SSH private key, as in ``authorized_keys``, without a comment.

    Args:
        path_text: The file.
        password: What opens it, "" when it is open.

    Raises:
        InvalidValue: The file can't be used (see :func:`read_private`), or is no such key.
    """
    data = read_private(path_text)
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE" in data else load_pem_private_key
    try:
        key = load(data, password.encode() or None)
        return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except TypeError as problem:
        raise InvalidValue(
            "The key “{path_text}” is protected by a passphrase.",
            hint="The supervisor has nobody to ask for it. Remove it: ssh-keygen -p -f {path_text}",
            path_text=path_text,
        ) from problem
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise InvalidValue(
            "“{path_text}” is not a private key that can be read.",
            hint="It begins with “-----BEGIN” and is what Amazon gave as a .pem file when the "
            "key pair was made; not a .ppk file and not the public half.",
            path_text=path_text,
        ) from problem


def certificate(path_text: str, password: str = "") -> Certificate:
    """A certificate with its RSA private key in one PEM file.

    Args:
        path_text: The file.
        password: Of its private key, "" when it has none.

    Raises:
        InvalidValue: The file can't be used (see :func:`read_private`), or one of the two is
            not in it, or they don't belong together.
    """
    data = read_private(path_text)
    try:
        found = x509.load_pem_x509_certificate(data)
    except ValueError as problem:
        raise InvalidValue(
            "There is no certificate in “{path_text}”.",
            hint="One PEM file is needed with the certificate and its private key, one below "
            "the other: cat key.pem cert.pem > both.pem",
            path_text=path_text,
        ) from problem
    try:
        key = load_pem_private_key(data, password.encode() or None)
    except TypeError as problem:
        raise InvalidValue(
            "The private key in “{path}” has no password."
            if password
            else "The private key in “{path}” is protected by a password.",
            hint="Forget the stored password." if password else "Give its password.",
            path=path_text,
        ) from problem
    except (ValueError, UnsupportedAlgorithm) as problem:
        wrong = password and b"PRIVATE KEY" in data
        raise InvalidValue(
            "The private key in “{path}” does not open with this password."
            if wrong
            else "There is no private key in “{path}” that can be read.",
            hint="Give its password again."
            if wrong
            else "One PEM file is needed with the certificate and its private key, one below "
            "the other: cat key.pem cert.pem > both.pem",
            path=path_text,
        ) from problem
    if not isinstance(key, RSAPrivateKey):
        raise InvalidValue(
            "The private key in “{path_text}” is not an RSA key.",
            hint="Azure takes RSA certificates: openssl req -x509 -newkey rsa:2048 …",
            path_text=path_text,
        )
    if key.public_key() != found.public_key():
        raise InvalidValue(
            "The private key in “{path_text}” does not belong to the certificate in it.",
            hint="Put the two together that were made together.",
            path_text=path_text,
        )
    return Certificate(found.fingerprint(SHA1()).hex().upper(), found.not_valid_after_utc)  # noqa: S303


def expired(found: Certificate, path_text: str) -> InvalidValue | None:
    """The problem of a certificate that is past its time; None while it is good."""
    if found.good_until > datetime.now(UTC):
        return None
    return InvalidValue(
        "The certificate in “{path_text}” expired on {good_until:%Y-%m-%d}.",
        hint="Make a new one, add it to the app registration under Certificates & secrets, and "
        "put it into the file.",
        path_text=path_text,
        good_until=found.good_until,
    )


def _unreadable(path_text: str, problem: OSError | ValueError) -> InvalidValue:
    if isinstance(problem, FileNotFoundError | NotADirectoryError):
        return InvalidValue(
            "There is no file “{path_text}” on the portal's machine.",
            hint="Copy it there, or correct the path.",
            path_text=path_text,
        )
    if isinstance(problem, PermissionError):
        return InvalidValue(
            "The portal may not read “{path_text}”.",
            hint="Give the file to the user that the portal and its supervisor run as: chown, "
            "then chmod 600 {path_text}",
            path_text=path_text,
        )
    reason = problem.strerror if isinstance(problem, OSError) else str(problem)
    return InvalidValue(
        "“{path_text}” can't be read: {reason}.",
        hint="Correct the path.",
        path_text=path_text,
        reason=reason,
    )

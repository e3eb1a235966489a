"""Reads private keys and host keys for asyncssh."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from oceanid.engines.htcondor.shell.target import KeyUnusable, Target

_MOST_BYTES = 1 << 16


def private_key(target: Target) -> asyncssh.SSHKey | None:
    """The target's own private key, or None when it has none.

    Raises:
        KeyUnusable: It can't be read, is not a private key, or its passphrase is wrong.
    """
    if target.key_text:
        return _opened(target.key_text.encode(), target.passphrase, "The stored private key")
    if target.key_path:
        told = f"The private key {target.key_path}"
        path = Path(target.key_path).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES)
        except OSError as problem:
            raise KeyUnusable(
                "{told} can't be read: {strerror}.",
                hint="It must be on the portal's machine and readable by the supervisor's user.",
                told=told,
                strerror=problem.strerror,
            ) from problem
        return _opened(data, target.passphrase, told)
    return None


def public_half(key_text: str, passphrase: str) -> str:
    """The line for ``authorized_keys`` that belongs to a private key.

    Raises:
        KeyUnusable: It is not a private key, or its passphrase is wrong.
    """
    key = _opened(key_text.encode(), passphrase, "The private key")
    return key.export_public_key("openssh").decode().strip()


def host_keys(text: str) -> tuple[asyncssh.SSHKey, ...]:
    """The keys in a text, one a line, as in ``known_hosts`` or without the host's name.

    Raises:
        KeyUnusable: A line has no key.
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        start = next((at for at, word in enumerate(words[:-1]) if _is_type(word)), None)
        if start is None:
            raise KeyUnusable("The accepted host key is not a key.", hint="Accept it anew.")
        try:
            found.append(asyncssh.import_public_key(" ".join(words[start : start + 2])))
        except asyncssh.KeyImportError as problem:
            raise KeyUnusable(
                "The accepted host key can't be read: {problem}.",
                hint="Accept it anew.",
                problem=problem,
            ) from problem
    return tuple(found)


def line_of(key: asyncssh.SSHKey) -> str:
    """A host key as one line, without a comment."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def fingerprint_of(key: asyncssh.SSHKey) -> str:
    """``SHA256:…``, as ``ssh-keygen -l`` prints it."""
    return key.get_fingerprint("sha256")


def signatures_for(keys: tuple[asyncssh.SSHKey, ...]) -> list[str]:
    """The host key algorithms to ask for, so that a machine with several keys shows the one
    that was accepted."""
    found: list[str] = []
    for key in keys:
        name = key.get_algorithm()
        names = ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
        found += [each for each in names if each not in found]
    return found


def _opened(data: bytes, passphrase: str, told: str) -> asyncssh.SSHKey:
    # A text pasted into a form may have lost its last line's end, or got a carriage return.
    data = data.replace(b"\r\n", b"\n").strip() + b"\n"
    try:
        return asyncssh.import_private_key(data, passphrase or None)
    except asyncssh.KeyEncryptionError as problem:
        raise KeyUnusable(
            "{told} does not open with the passphrase.",
            hint="Give its passphrase again.",
            told=told,
        ) from problem
    except (asyncssh.KeyImportError, ValueError) as problem:
        if "passphrase" in str(problem).lower():
            raise KeyUnusable(
                "{told} is protected by a passphrase.", hint="Give its passphrase.", told=told
            ) from problem
        raise KeyUnusable(
            "{told} is not one that can be read.",
            hint="An unencrypted or passphrase-protected OpenSSH or PEM key is needed "
            "(ed25519, RSA or ECDSA), not its .pub half and not a PuTTY file.",
            told=told,
        ) from problem


def _is_type(word: str) -> bool:
    return word.startswith(("ssh-", "ecdsa-sha2-", "sk-"))

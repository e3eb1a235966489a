"""The keys of a cluster's master: its host key, known before it is, and the key that opens it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from oceanid.clouds.specs import KeyFile
from oceanid.errors import InvalidValue
from oceanid.services import cluster_state
from oceanid.supervisor.cluster_desk import Desk

WHOSE: Final = cluster_state.PREFIX + "key"
OWN: Final = "own"
ACCOUNTS: Final = "account"


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens a master, and by what it is known.

    Args:
        host_key: Its private host key, PEM in OpenSSH's format.
        host_public_key: The public half.
        public_key: What opens its accounts, as in ``authorized_keys``.
        config: How a scheduler's record names the private half.
        secrets: Or what it holds of it.
    """

    host_key: str = field(repr=False)
    host_public_key: str
    public_key: str
    config: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)


async def keys_of(desk: Desk) -> Keys:
    """The keys of a cluster; those that are missing are made, and kept before they are used.

    Which key opens it is decided once: the account's, unless there is none or one of its own is
    wanted.

    Raises:
        InvalidValue: The account names a key that can't be used.
    """
    row = desk.facts.row
    file: KeyFile | None = None
    whose = desk.notes.get(WHOSE)
    if whose != OWN and not (whose == "" and row.own_key):
        file = type(desk.cloud).ssh_key(desk.facts.account.config, desk.facts.account.secrets)
    if file is None and whose == ACCOUNTS:
        raise InvalidValue(
            "The account names no SSH key any more, and the one that it named opens the master.",
            hint="Give the account its key again.",
        )
    if not whose:
        await desk.notes.keep(WHOSE, OWN if file is None else ACCOUNTS)
    wanted = ("host_key", "host_public_key") + (("ssh_key", "ssh_public_key") * (file is None))
    kept: dict[str, str] = dict(row.secrets or {})
    if any(name not in kept for name in wanted):
        made: dict[str, str] = {}
        made["host_key"], made["host_public_key"] = _pair()
        if file is None:
            made["ssh_key"], made["ssh_public_key"] = _pair()
        kept = await desk.db(cluster_state.keep_secrets, desk.hold, desk.cluster_id, made)
        row.secrets = kept
    if file is not None:
        config: dict[str, Any] = {"key_path": file.path}
        secrets = {"passphrase": file.passphrase} if file.passphrase else {}
        public = file.public_key
    else:
        config, secrets, public = {}, {"private_key": kept["ssh_key"]}, kept["ssh_public_key"]
    return Keys(kept["host_key"], kept["host_public_key"], public, config, secrets)


def _pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()

"""Whom an SSH connection goes to, with what key, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from oceanid.errors import EngineError, EngineUnavailable


@dataclass(frozen=True, slots=True)
class Target:
    """One account of one machine.

    Args:
        host: Its name or address.
        port: Its SSH port.
        user: The account's name.
        key_path: A private key's file on this machine; "" for none.
        key_text: The private key itself; "" for none.
        passphrase: What opens the key.
        password: The account's password; "" for none.
        use_agent: Whether the keys of the running SSH agent are tried too.
        host_key: The accepted host keys, one a line, as in ``known_hosts`` or without the
            host's name; "" when none was accepted yet.
        jump: The machine that the connection goes through.
    """

    host: str
    user: str = ""
    port: int = 22
    key_path: str = ""
    key_text: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    use_agent: bool = False
    host_key: str = ""
    jump: Target | None = None

    @property
    def address(self) -> str:
        """``user@host:port`` for a person."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == 22 else f":{self.port}"
        return f"{self.user}@{host}{port}" if self.user else f"{host}{port}"

    @classmethod
    def of(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        """The target that a scheduler record describes.

        Its options are ``host``, ``port``, ``user``, ``key_path``, ``use_agent``, ``host_key``,
        ``proxy_jump`` (``[user@]host[:port]``, reached with the same key or password) and
        ``proxy_jump_host_key``; its secrets ``private_key``, ``passphrase`` and ``password``.

        Raises:
            EngineError: An option can't be used.
        """
        target = cls(
            host=str(config.get("host", "")).strip(),
            user=str(config.get("user", "")).strip(),
            port=_port(config.get("port") or 22),
            key_path=str(config.get("key_path", "")).strip(),
            key_text=secrets.get("private_key", ""),
            passphrase=secrets.get("passphrase", ""),
            password=secrets.get("password", ""),
            use_agent=bool(config.get("use_agent", False)),
            host_key=str(config.get("host_key", "")),
        )
        if jump := str(config.get("proxy_jump", "")).strip():
            user, _, place = jump.rpartition("@")
            host, port = _split_port(place)
            through = replace(
                target,
                host=host,
                port=port,
                user=user or target.user,
                host_key=str(config.get("proxy_jump_host_key", "")),
            )
            target = replace(target, jump=through)
        return target


class HostKeyUnknown(EngineError):
    """A machine showed a host key that nobody has accepted yet.

    Args:
        target: The machine.
        key: The key it showed, in OpenSSH's format.
        fingerprint: Its fingerprint, as ``ssh-keygen -l`` prints it.
    """

    code: ClassVar[str] = "host-key-unknown"

    def __init__(self, *, target: Target, key: str, fingerprint: str) -> None:
        super().__init__(
            "{host} is not known yet. Its host key is {fingerprint}.",
            hint="Compare it with what the machine's own administrator tells, then accept it.",
            host=target.host,
            fingerprint=fingerprint,
        )
        self.target, self.key, self.fingerprint = target, key, fingerprint


class HostKeyChanged(EngineError):
    """A machine showed another host key than the accepted one; it was told nothing.

    Args:
        target: The machine.
        key: The key it showed.
        fingerprint: That key's fingerprint.
        accepted: The fingerprints of the accepted keys.
    """

    code: ClassVar[str] = "host-key-changed"

    def __init__(
        self, *, target: Target, key: str, fingerprint: str, accepted: tuple[str, ...]
    ) -> None:
        super().__init__(
            "{host} shows the host key {fingerprint}, but {accepted} was accepted. The connection "
            "was refused.",
            hint="If the machine was reinstalled, remove the accepted key and accept the new one; "
            "if not, somebody may be listening in.",
            host=target.host,
            fingerprint=fingerprint,
            accepted=" or ".join(accepted),
        )
        self.target, self.key, self.fingerprint = target, key, fingerprint
        self.accepted = accepted


class LoginRefused(EngineUnavailable):
    """The machine was reached, but did not let the account in."""

    code: ClassVar[str] = "login-refused"


class KeyUnusable(EngineError):
    """The private key can't be read or opened."""

    code: ClassVar[str] = "key-unusable"


def _port(value: Any) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = 0
    if not 0 < port < 65536:
        raise EngineError(
            "“{value}” is not a port.", hint="SSH's own is 22.", code="bad-option", value=value
        )
    return port


def _split_port(place: str) -> tuple[str, int]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, _port(port.removeprefix(":") or 22)
    host, _, port = place.partition(":")
    return host, _port(port or 22)

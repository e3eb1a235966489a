"""Where webhooks may go: what a person gives as an address is hostile until it was looked at."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from oceanid.errors import NotPermitted

LONGEST = 2000
PORTS = frozenset({443, 8443})
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?\Z"
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NEVER: Sequence[Network] = [
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by carriers, and some clouds' metadata (RFC 6598)
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services, on a public address
        "169.254.0.0/16",  # link-local, and clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local
        "100::/64",  # discarded
        "2001::/23",  # protocol assignments, Teredo, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
]
"""Addresses that are of no public host (IANA's special-purpose registries), or hold another."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes, as its address says.

    Args:
        scheme: ``https`` or ``http``.
        host: A name or an address, in lower case, without brackets.
        port: The port.
        path: What is asked for, with the query.
        is_listed: Whether an administrator lists the host itself.
    """

    scheme: str
    host: str
    port: int
    path: str
    is_listed: bool

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


class Allowed:
    """What an administrator lists: hosts, hosts with a port, networks."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.networks: list[Network] = []
        self.hosts: set[tuple[str, int | None]] = set()
        for entry in entries:
            try:
                self.networks.append(ipaddress.ip_network(entry.strip(), strict=False))
            except ValueError:
                self.hosts.add(_entry(entry.strip().lower()))

    def lists(self, host: str, port: int) -> bool:
        """Whether a host is listed by its name."""
        return (host, None) in self.hosts or (host, port) in self.hosts

    def covers(self, address: Address) -> bool:
        """Whether an address is in a listed network."""
        return any(address in network for network in self.networks)


def is_entry(text: str) -> bool:
    """Whether an administrator's entry can be understood: a host, with a port or not, a network."""
    allowed = Allowed([text])
    hosts = [host for host, _port in allowed.hosts]
    return all(literal(host) is not None or bool(_NAME.match(host)) for host in hosts)


def parse(url: str, allowed: Allowed) -> Target:
    """Read an address as far as it can be judged without looking it up.

    Raises:
        NotPermitted: A webhook can't go there.
    """
    if len(url) > LONGEST or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise _misformed(_("The address has characters that addresses don't have, or is too long."))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise _misformed(_("This is no address.")) from problem
    host = (parts.hostname or "").lower().rstrip(".")
    if parts.scheme not in ("https", "http") or not host:
        raise _misformed(_("An address begins with https:// and a host."))
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _misformed(_("There can't be a user or a password in the address."))
    itself = literal(host)
    if itself is None and not _NAME.match(host):
        raise _misformed(_("This is no host's name."))
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    is_listed = allowed.lists(host, port) or (itself is not None and allowed.covers(itself))
    path = parts.path or "/"
    target = Target(
        parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path, is_listed
    )
    if itself is not None and not is_listed:
        check(target, [str(itself)], allowed)
    # A name's network is known when it is looked up: it is checked then.
    if not is_listed and not allowed.networks:
        _plain(target)
    return target


def check(target: Target, addresses: Sequence[str], allowed: Allowed) -> None:
    """Make sure that one may connect to each of the addresses that a host has.

    Raises:
        NotPermitted: One of them is not a public host's, and nobody lists it.
    """
    if not addresses:
        raise _misformed(_("The host has no address."))
    found = [literal(each.partition("%")[0]) for each in addresses]
    if target.is_listed:
        return
    for address, text in zip(found, addresses, strict=True):
        if address is None or "%" in text:
            raise _refused(_("The host's address can't be used."))
        if not allowed.covers(address) and not is_public(address):
            raise _refused(_("The host is not a public one."))
    if not all(address is not None and allowed.covers(address) for address in found):
        _plain(target)


def is_public(address: Address) -> bool:
    """Whether an address is that of a host in the public internet, and holds no other one."""
    if any(address in network for network in NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _plain(target: Target) -> None:
    """What is asked of hosts that nobody lists."""
    if target.scheme != "https":
        raise _refused(_("Only https:// is allowed."))
    if target.port not in PORTS:
        raise _refused(_("Only the ports 443 and 8443 are allowed."))


def literal(host: str) -> Address | None:
    """A host that is an address; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _entry(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and ("]" not in port):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _misformed(message: str) -> NotPermitted:
    return NotPermitted(message, hint=_("It looks like https://example.org/hook."))


def _refused(message: str) -> NotPermitted:
    return NotPermitted(message, hint=_("An administrator can list hosts that webhooks may reach."))

"""A webhook reaches public hosts by TLS and nothing else, unless an administrator lists it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanid import checks, conf
from oceanid.errors import NotPermitted
from oceanid.services.targets import Allowed, check, is_entry, is_public, parse

NOBODY = Allowed(())
HOSTILE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1",
    "172.31.255.254", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254",
    "169.254.170.2", "168.63.129.16", "192.0.0.192", "198.18.0.1", "192.0.2.7", "203.0.113.9",
    "198.51.100.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "100::1", "3fff::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::5"]


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", HOSTILE)
def test_an_address_that_is_no_public_hosts_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(NotPermitted):
        parse(f"https://{bracketed(address)}/", NOBODY)
    named = parse("https://hooks.example.org/", NOBODY)
    for found in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        with pytest.raises(NotPermitted):
            check(named, found, NOBODY)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_one_is_not(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    target = parse(f"https://{bracketed(address)}/x?y=1", NOBODY)
    check(target, [address], NOBODY)
    assert (target.host, target.port, target.path) == (address, 443, "/x?y=1")


@given(st.ip_addresses(v=4))
def test_no_private_address_is_public_and_none_through_a_mapping(
    address: ipaddress.IPv4Address,
) -> None:
    if not address.is_global:
        assert not is_public(address)
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
        assert not is_public(ipaddress.ip_address(wrapped))


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "//example.org", "ftp://example.org/", "file:///etc/passwd",
        "gopher://example.org:443/", "http://example.org/", "https://", "https:///path",
        "https://user@example.org/", "https://user:pass@example.org/", "https://@example.org/",
        "https://example.org:22/", "https://example.org:8080/", "https://example.org:0/",
        "https://example.org:99999/", "https://example.org:x/", "https://exa mple.org/",
        "https://example.org/\r\nHost: other", "https://example.org/\x00", "https://example.org/ä",
        "https://[::1/", "https://exämple.org/", "https://" + "a" * 300 + ".org/",
        "https://example.org/" + "a" * 2000, "https://-example.org/", "https://a..b/",
        "https://example.org\\@127.0.0.1/", "https://127.0.0.1#@example.org/",
        "https://0x7f.0.0.1%2f/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook(url: str) -> None:
    with pytest.raises(NotPermitted):
        parse(url, NOBODY)


@pytest.mark.parametrize("url", ["https://2130706433/", "https://0x7f000001/", "https://127.1/"])
def test_odd_words_for_this_machine_are_judged_by_what_they_mean(url: str) -> None:
    with pytest.raises(NotPermitted):
        check(parse(url, NOBODY), ["127.0.0.1"], NOBODY)


def test_a_scope_and_a_host_without_an_address_are_refused() -> None:
    target = parse("https://example.org/", NOBODY)
    for found in ([], ["fe80::1%eth0"], ["2a00:1450:4001::5%1"], ["what"]):
        with pytest.raises(NotPermitted):
            check(target, found, NOBODY)


def test_a_listed_host_may_be_private_and_plain_at_any_port() -> None:
    allowed = Allowed(("hooks.intern", "one.intern:9000", "[fd00::5]:81"))
    check(parse("http://hooks.intern:8080/a", allowed), ["10.0.0.5"], allowed)
    check(parse("http://HOOKS.intern./a", allowed), ["127.0.0.1"], allowed)
    check(parse("http://one.intern:9000/", allowed), ["10.0.0.5"], allowed)
    check(parse("http://[fd00::5]:81/", allowed), ["fd00::5"], allowed)
    for url in ("http://one.intern:9001/", "http://other.intern/", "http://xhooks.intern/"):
        with pytest.raises(NotPermitted):
            check(parse(url, allowed), ["10.0.0.5"], allowed)


def test_a_listed_network_lets_in_what_is_in_it_and_no_more() -> None:
    allowed = Allowed(("10.1.2.0/24", "127.0.0.1"))
    check(parse("http://10.1.2.3:8080/", allowed), ["10.1.2.3"], allowed)
    check(parse("http://name.intern:8080/", allowed), ["10.1.2.9"], allowed)
    check(parse("http://127.0.0.1:1/", allowed), ["127.0.0.1"], allowed)
    for found in (["10.1.3.1"], ["10.1.2.9", "10.1.3.1"], ["8.8.8.8"], ["10.1.2.9", "8.8.8.8"]):
        with pytest.raises(NotPermitted):
            check(parse("http://name.intern:8080/", allowed), found, allowed)
    check(parse("https://name.example.org/", allowed), ["8.8.8.8"], allowed)


@pytest.mark.parametrize(
    ("entry", "is_one"),
    [
        ("chat.intern", True), ("ci.intern:8080", True), ("10.20.0.0/24", True),
        ("127.0.0.1", True), ("127.0.0.1:99", True), ("[fd00::5]:81", True), ("fd00::/8", True),
        ("https://chat.intern", False), ("chat.intern/hook", False), ("", False), ("*", False),
        ("10.20.0.0/240", False), ("two words", False),
    ],
)  # fmt: skip
def test_an_entry_that_would_list_nothing_is_found(entry: str, is_one: bool) -> None:
    assert is_entry(entry) is is_one
    given = conf.read({"NOTIFICATIONS": {"WEBHOOK_TARGETS": [entry]}})
    assert [each.id for each in checks._values(given)] == ([] if is_one else ["oceanid.E006"])


def test_the_host_header_has_the_port_where_it_is_not_the_usual_one() -> None:
    allowed = Allowed(("hooks.intern",))
    hosts = {
        "https://example.org/": "example.org",
        "https://example.org:8443/": "example.org:8443",
        "https://[2606:4700:4700::1111]/": "[2606:4700:4700::1111]",
        "http://hooks.intern/": "hooks.intern",
    }
    for url, host in hosts.items():
        assert parse(url, allowed).authority == host

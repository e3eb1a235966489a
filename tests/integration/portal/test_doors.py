"""What a stranger meets at the portal's doors, and what pages tell when something goes wrong."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request

from tests.integration.portal.seen import Portal, browser, log_in


def asked(
    visitor: urllib.request.OpenerDirector,
    address: str,
    form: dict[str, str] | None = None,
    **headers: str,
) -> tuple[int, str, dict[str, str]]:
    """The status, text and headers of an answer, whatever it is."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, data, headers=named)
    try:
        answer = visitor.open(request, timeout=60)
    except urllib.error.HTTPError as failed:
        answer = failed
    return answer.code, answer.read().decode(), dict(answer.headers)


def tried(
    visitor: urllib.request.OpenerDirector, door: str, name: str, password: str
) -> tuple[int, str]:
    """What a try at a door is answered."""
    _, page, _ = asked(visitor, door)
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": name, "password": password}
    status, text, _ = asked(visitor, door, form)
    return status, text


def test_wrong_passwords_are_looked_at_a_few_times_only_at_either_door(portal: Portal) -> None:
    stranger, address = browser(), portal.address
    answers = [tried(stranger, f"{address}login/", "ADMIN", f"guess-{n}") for n in range(8)]
    assert {status for status, _ in answers} == {200}
    status, text = tried(stranger, f"{address}login/", "admin", "guess")
    assert status == 429
    assert "Wait five minutes" in text
    password = re.search(r"^Password: +(\S+)$", portal.said, re.MULTILINE)
    assert password
    _, text = tried(stranger, f"{address}admin/login/", "admin", password[1])
    assert "Wait five minutes" in text
    assert tried(stranger, f"{address}login/", "somebody-else", "guess")[0] == 200
    assert password[1] not in portal.said.split(password[0], 1)[1]
    assert "guess-" not in portal.said


def test_every_failure_has_a_page_of_the_house(lasting: Portal) -> None:
    stranger, address = browser(), lasting.address
    host = asked(stranger, address, Host="evil.example")
    lost = asked(stranger, f"{address}nowhere/")
    forged = asked(stranger, f"{address}login/", {"username": "x", "password": "y"})
    administrator = log_in(lasting)
    within = asked(administrator, f"{address}admin/nowhere/")
    for (status, text, headers), expected in (
        (host, 400),
        (lost, 404),
        (forged, 403),
        (within, 404),
    ):
        assert status == expected
        assert f'o-empty__code" aria-hidden="true">{expected}<' in text
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "<style" not in text
        for told in ("Traceback", "DEBUG", "Django", "CSRF", "oceanid.portal"):
            assert told not in text
    fragment = asked(stranger, f"{address}nowhere/", HX_Request="true")
    assert "<html" not in fragment[1]
    assert "Not found" in fragment[1]


def test_nobody_is_sent_elsewhere_by_the_door(lasting: Portal) -> None:
    visitor, address = browser(), lasting.address
    password = re.search(r"^Password: +(\S+)$", lasting.said, re.MULTILINE)
    assert password
    _, page, _ = asked(visitor, f"{address}login/?next=https://evil.example/")
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)
    assert token
    form = {
        "csrfmiddlewaretoken": token[1],
        "username": "admin",
        "password": password[1],
        "next": "//evil.example/",
    }
    request = urllib.request.Request(f"{address}login/", urllib.parse.urlencode(form).encode())
    answer = visitor.open(request, timeout=60)
    assert answer.url == address

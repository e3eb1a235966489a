"""The tutorial leads from an empty folder to a result in the browser, as it stands."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.parse
import urllib.request
from pathlib import Path

from tests.integration.docs.blocks import ROOT
from tests.integration.docs.conftest import environment
from tests.integration.docs.reader import Reader
from tests.integration.running import eventually

TUTORIAL = ROOT / "docs" / "tutorial" / "first-app.md"


class Visitor:
    """A browser without a screen: it keeps cookies, follows links and sends forms."""

    def __init__(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        self.address = ""

    def open(self, address: str, form: dict[str, str] | None = None) -> str:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        with self._opener.open(address, data, timeout=30) as answer:
            self.address = answer.url
            text: str = answer.read().decode()
            return text

    def send(self, address: str, **form: str) -> str:
        return self.send_to(address, address, **form)

    def send_to(self, page: str, address: str, **form: str) -> str:
        token = found(r'csrfmiddlewaretoken" value="([^"]+)', self.open(page))
        return self.open(address, {"csrfmiddlewaretoken": token, **form})


def test_the_tutorial_leads_to_the_result_that_it_promises(tmp_path: Path) -> None:
    with Reader(tmp_path, environment(tmp_path)) as reader:
        reader.follow(TUTORIAL)
        address = found(r"^Oceanid is at (\S+)$", reader.seen)
        visitor = Visitor()
        home = visitor.send(
            f"{address}login/", username="admin", password=found(r"^Password: +(\S+)$", reader.seen)
        )
        assert "Will the pond overflow?" in home
        link = found(r'href="([^"]*pond[^"]*)"', home)
        visitor.send(urllib.parse.urljoin(address, link), years="1000")
        page = visitor.address

        def result() -> str:
            shown = re.search(r"<strong>([\d.]+)</strong> a year", visitor.open(page))
            return shown[1] if shown else ""

        chance = eventually(result, within_s=90, what=f"a result at {page}")
        promised = found(r"It is close to (0\.\d+)", TUTORIAL.read_text("utf-8"))
        assert abs(float(chance) - float(promised)) < 0.01
        about = found(r'href="([^"]*/compute/jobs/\d+/)"', visitor.open(page))
        assert "Complete" in visitor.open(urllib.parse.urljoin(page, about))
        break_it_and_mend_it(reader.place, visitor, urllib.parse.urljoin(address, link))


def break_it_and_mend_it(place: Path, visitor: Visitor, start: str) -> None:
    """The last section: a program that fails, and a resubmission after it was mended."""
    program = place / "pond" / "storms.py"
    before = program.read_text()
    program.write_text(f"{before}sys.exit(1)\n")
    visitor.send(start, years="1")
    about = found(r'href="([^"]*/compute/jobs/\d+/)"', visitor.open(visitor.address))
    page = urllib.parse.urljoin(start, about)
    eventually(lambda: "exit code 1" in visitor.open(page), within_s=90, what=page)
    eventually(lambda: "resubmit" in visitor.open(page), within_s=90, what=page)
    program.write_text(before)
    visitor.send_to(page, urllib.parse.urljoin(page, "do/resubmit/"))
    eventually(lambda: "Complete 20" in plain(visitor.open(page)), within_s=90, what=page)


def plain(page: str) -> str:
    """A page's words."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, text
    return match[1]

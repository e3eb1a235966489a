"""An administrator at a browser, reduced to what reads pages and sends their forms."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from typing import Any

TIMEOUT_S = 60.0


class Visitor:
    """One session.

    Args:
        address: The portal's, with a slash at its end.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._jar)
        )
        self.at = address
        """The page that the last answer came from."""

    def read(self, path: str) -> str:
        """A page."""
        return self._open(path, None)

    def send(self, path: str, values: Mapping[str, str], *, at: str | None = None) -> str:
        """Fill in the form of a page and send it: what stands in its fields already is sent too.

        Args:
            path: The page.
            values: What is typed.
            at: Where it is sent, when not to the page itself.

        Returns:
            The page that came of it.

        Raises:
            AssertionError: The form came back with complaints.
        """
        form = _Form()
        form.feed(self.read(path))
        whole = form.values | {k: v for k, v in values.items() if v is not None}
        whole["csrfmiddlewaretoken"] = self._cookie("csrftoken")
        answer = self._open(at or path, urllib.parse.urlencode(whole).encode())
        if complaints := re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', answer, re.DOTALL):
            raise AssertionError(f"{path}: {unescape(' '.join(complaints))}")
        return answer

    def log_in(self, name: str, password: str) -> None:
        """Log in."""
        self.send("admin/login/?next=/admin/", {"username": name, "password": password})
        assert "admin/login" not in self.at, "The administrator is not let in."

    def _cookie(self, name: str) -> str:
        return next((each.value or "" for each in self._jar if each.name == name), "")

    def _open(self, path: str, body: bytes | None) -> str:
        target = urllib.parse.urljoin(self.address, path)
        request = urllib.request.Request(target, body, {"Referer": target})
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                self.at = answer.geturl()
                return str(answer.read().decode())
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")
            text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", said))
            raise AssertionError(f"{target}: {refused.code}: {text[:1500]}") from refused


class _Form(HTMLParser):
    """The values that stand in the fields of a page's forms."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        there: dict[str, Any] = dict(attrs)
        name = there.get("name") or ""
        if tag == "input" and name:
            kind = there.get("type", "text")
            if kind in ("submit", "button", "file", "image"):
                return
            if kind in ("checkbox", "radio") and "checked" not in there:
                return
            self.values[name] = there.get("value") or ("on" if kind == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in there or self._select not in self.values:
                self.values[self._select] = there.get("value") or ""
        elif tag == "textarea" and name:
            self._area = name
            self.values[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data

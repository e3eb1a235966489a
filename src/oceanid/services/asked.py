"""What the address of a list of jobs says: scope, search, filters, order and place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from oceanid.services.keyset import Order, Place

SORTS: Mapping[str, Order] = {
    "name": Order("name_key"),
    "status": Order("state"),
    "created": Order("id", descending=True),
    "started": Order("start_time", descending=True, nullable=True),
    "ended": Order("completion_time", descending=True, nullable=True),
}
SCOPES = ("mine", "groups", "all")
ACTIVE = "active"
SINCE = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "24h": (_("Last 24 hours"), timedelta(days=1)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a list of jobs says; each field is a parameter of that name.

    Args:
        scope: ``mine``, ``groups`` or ``all``.
        q: What is searched for.
        match: How: ``start`` (an id, or the beginning of a name) or ``any`` part of a name.
        status: A status word, or ``active``.
        app: An app's label.
        scheduler: A scheduler's name.
        since, until: When the job was created: a span as in SINCE, or a date.
        sort: A key of SORTS, behind a minus sign for the other direction.
        after, before, at: The place of the page: a row's token, or ``at=last``.
    """

    scope: str = "mine"
    q: str = ""
    match: str = "start"
    status: str = ""
    app: str = ""
    scheduler: str = ""
    since: str = ""
    until: str = ""
    sort: str = ""
    after: str = ""
    before: str = ""
    at: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """Read an address's parameters; what is not understood counts as not given."""
        names = [field.name for field in fields(cls)]
        # PostgreSQL takes no NUL in a text, so that nothing can have one.
        said = {name: given.get(name, "").replace("\0", "").strip()[:1000] for name in names}
        asked = cls(**{name: value for name, value in said.items() if value})
        if asked.scope not in SCOPES:
            asked = replace(asked, scope="mine")
        if asked.sort.lstrip("-") not in SORTS:
            asked = replace(asked, sort="")
        return asked

    def address(self, **changes: str) -> str:
        """The query string for this list with some parameters changed, from its first page on
        unless a place is given."""
        asked = replace(self, **({"after": "", "before": "", "at": ""} | changes))
        said = {
            field.name: getattr(asked, field.name)
            for field in fields(asked)
            if getattr(asked, field.name) not in ("", field.default)
        }
        return "?" + urlencode(said)

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the scope narrows the list."""
        return any((self.q, self.status, self.app, self.scheduler, self.since, self.until))

    @property
    def sort_name(self) -> str:
        """The key of SORTS; a search by the beginning of a name goes by name unless told."""
        if self.sort:
            return self.sort.lstrip("-")
        return "name" if self.q and self.match != "any" and not identity(self.q) else "created"

    @property
    def order(self) -> Order:
        """The order of the rows."""
        order = SORTS[self.sort_name]
        if self.sort.startswith("-"):
            order = replace(order, descending=not order.descending)
        return order

    @property
    def place(self) -> Place:
        """Where the page is."""
        return Place(after=self.after, before=self.before, last=self.at == "last")


def identity(text: str) -> int | UUID | None:
    """The job's number or UUID that a search means; None when it means a name."""
    if re.fullmatch(r"#?[0-9]{1,18}", text):
        return int(text.lstrip("#"))
    if re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text):
        return UUID(text)
    return None

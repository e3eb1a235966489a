"""What the address of a list of jobs says: scope, search, filters, order and place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from oceanid.services import columns
from oceanid.services.columns import Column
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
FILTERS = ("q", "status", "app", "scheduler", "user", "since", "until")
LONGEST = 1000
NO_PLACE = 0
SINCE = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "24h": (_("Last 24 hours"), timedelta(days=1)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of an address's words, looked up once.

    Args:
        place: The number of the scheduler; NO_PLACE when there is none of that name. Not None,
            which is where the jobs are that an app runs by itself.
        begin, end: The first job that was created in the time, and the first behind it; None for
            no bound.
    """

    place: int = NO_PLACE
    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a list of jobs says; each field but ``known`` is a parameter of that
    name.

    Args:
        scope: ``mine``, ``groups`` or ``all``.
        q: What is searched for.
        match: How: ``start`` (an id, or the beginning of a name) or ``any`` part of a name.
        status: A status word, or ``active``.
        app: An app's label.
        scheduler: A scheduler's name.
        user: A user's name; of no meaning among one's own.
        since, until: When the job was created: a span as in SINCE, or a date.
        sort: A key of SORTS, behind a minus sign for the other direction.
        columns: The columns' names with commas between; "" shows those of the scope.
        view: The number of the saved view that the address came from.
        after, before, at: The place of the page: a row's token, or ``at=last``.
        known: What was looked up for it; None when nothing was yet.
    """

    scope: str = "mine"
    q: str = ""
    match: str = "start"
    status: str = ""
    app: str = ""
    scheduler: str = ""
    user: str = ""
    since: str = ""
    until: str = ""
    sort: str = ""
    columns: str = ""
    view: str = ""
    after: str = ""
    before: str = ""
    at: str = ""
    known: Known | None = field(default=None, compare=False, repr=False)

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """Read an address's parameters; what is not understood counts as not given."""
        names = [each.name for each in _parameters(cls)]
        # PostgreSQL takes no NUL in a text, so that nothing can have one.
        said = {name: given.get(name, "").replace("\0", "").strip()[:LONGEST] for name in names}
        understood: dict[str, Any] = {name: value for name, value in said.items() if value}
        asked = cls(**understood)
        if asked.scope not in SCOPES:
            asked = replace(asked, scope="mine")
        if asked.sort.lstrip("-") not in SORTS:
            asked = replace(asked, sort="")
        if asked.scope == "mine" and asked.user:
            asked = replace(asked, user="")
        if asked.columns:
            asked = replace(asked, columns=columns.understood(asked.columns.split(",")))
        return asked if asked.view.isdecimal() else replace(asked, view="")

    def address(self, **changes: str) -> str:
        """The query string for this list with some parameters changed, from its first page on
        unless a place is given."""
        changed: dict[str, Any] = {"after": "", "before": "", "at": ""} | changes
        asked = replace(self, **changed)
        said = {
            each.name: getattr(asked, each.name)
            for each in _parameters(asked)
            if getattr(asked, each.name) not in ("", each.default)
        }
        # An empty address stands for whatever a person made their default view.
        return "?" + urlencode(said or {"scope": asked.scope})

    @property
    def parameters(self) -> dict[str, str]:
        """What narrows, orders and shows the list, but not where in it we are."""
        given = {each.name: getattr(self, each.name) for each in _parameters(self)}
        placing = ("after", "before", "at", "view")
        return {name: value for name, value in given.items() if value and name not in placing}

    def only(self, names: Iterable[str], **others: str) -> Asked:
        """The same with these filters alone, and perhaps with other parameters."""
        changed: dict[str, Any] = {name: "" for name in FILTERS if name not in names} | others
        return replace(self, **changed)

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the scope narrows the list."""
        return any(getattr(self, name) for name in FILTERS)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything narrows the list but the scope and the person."""
        return any(getattr(self, name) for name in FILTERS if name != "user")

    @property
    def is_of_one(self) -> bool:
        """Whether the jobs are one person's, so that the indexes that begin with a user serve."""
        return self.scope == "mine" or (self.scope == "all" and bool(self.user))

    @property
    def shown(self) -> Sequence[Column]:
        """The columns behind the name."""
        return columns.chosen(self.columns, scope=self.scope)

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


def _parameters(asked: Any) -> list[Field[Any]]:
    return [each for each in fields(asked) if each.name != "known"]


def is_text(text: str) -> bool:
    """Whether a search is for names."""
    return bool(text) and identity(text) is None


def identity(text: str) -> int | UUID | None:
    """The job's number or UUID that a search means; None when it means a name."""
    if re.fullmatch(r"#?[0-9]{1,18}", text):
        return int(text.lstrip("#"))
    if re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text):
        return UUID(text)
    return None

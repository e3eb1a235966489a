"""A table of an app's jobs, as the app describes it; the page's part of it is in ``web``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.text import slugify

from oceanid.errors import InvalidSpecification, NotFound
from oceanid.jobs.references import dotted_path
from oceanid.jobs.table_actions import (
    DEFAULT_ACTIONS,
    CustomJobAction,
    TableAction,
    action_of,
)

if TYPE_CHECKING:
    from oceanid.models import Job

SALT = "oceanid.jobs-table"
MOST_JOBS = 500
MOST_ROWS = 200
LONGEST_TOKEN = 6000
DOTTED = ("extended_properties", "result")
"""What of a job can be looked into by a dotted name."""
ORDERS = {
    "id": "created",
    "creation_time": "created",
    "name": "name",
    "status": "status",
    "start_time": "started",
    "completion_time": "ended",
}
"""What a table can be sorted by, and how the list of jobs calls it."""
Address = str | Callable[[Any], str] | None


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: its head, and the attribute of the job that it shows."""

    title: str
    field: str


@dataclass
class JobsTable:
    """A table of an app's jobs for ``{% jobs_table %}``.

    It travels in a signed token, so that every process of the site understands what its buttons
    mean; callbacks are found again by their import path. A person sees and does in it only what
    they may.

    Args:
        jobs: Certain jobs, 500 at most, in this order; None for all of the app's that the
            person may see by ``scope``.
        column_fields: Attributes of a job, ``extended_properties.a.b``, ``result.a.b``, or pairs
            of a title and one of them.
        app: The app's label; taken from the first of ``jobs`` when these are given.
        scope: ``mine``, ``groups`` or ``all`` (which those who may not see all take for mine).
        filters: Further look-ups, as for ``list_jobs``.
        name: What the table is called on its page; two of one page need different ones.
        empty: What stands there when there is no job.
        actions: Names of actions, ``|`` between groups, and :class:`CustomJobAction`.
        monitor_url: A URL's name, a path with ``{id}`` in it, or a function that takes the job,
            for the action ``monitor``.
        results_url: The same for ``results``.
        show_status: Whether there is a column with the status.
        show_actions: Whether there is a column with the actions.
        show_detailed_status: Whether the states of processes and nodes are told too.
        refresh_interval: Milliseconds between two looks where the page does not follow changes
            by itself; 0 for none.
        sort: Whether by creation, the oldest first; or one of ORDERS, ``-`` before it turns it.
        reverse_sort: Whether to turn the order around.
        row_count: How many jobs stand on a page of the table.
        enable_data_table: Whether people can search, sort and choose a status in it.
        data_table_options: ``searching``, ``ordering``, ``filtering``: each can be switched off.
        hover, striped, bordered, condensed: How it looks.
        classes: Further classes of its element.
        attributes: Further attributes of its element, but no event handler.
        delay_loading_status: Accepted and without meaning: reading a status costs nothing here.

    Raises:
        InvalidSpecification: Something in it can't be used, by name.
    """

    jobs: Iterable[Job] | None = None
    column_fields: Sequence[str | tuple[str, str]] = (
        "name",
        "creation_time",
        "run_time",
    )
    app: str = field(default="", kw_only=True)
    scope: str = field(default="mine", kw_only=True)
    filters: Mapping[str, Any] | None = field(default=None, kw_only=True)
    name: str = field(default="", kw_only=True)
    empty: str = field(default="", kw_only=True)
    actions: Sequence[Any] | None = field(default=None, kw_only=True)
    monitor_url: Address = field(default=None, kw_only=True)
    results_url: Address = field(default=None, kw_only=True)
    show_status: bool = field(default=True, kw_only=True)
    show_actions: bool = field(default=True, kw_only=True)
    show_detailed_status: bool = field(default=False, kw_only=True)
    refresh_interval: int = field(default=5000, kw_only=True)
    sort: bool | str = field(default=True, kw_only=True)
    reverse_sort: bool = field(default=False, kw_only=True)
    row_count: int = field(default=20, kw_only=True)
    enable_data_table: bool = field(default=False, kw_only=True)
    data_table_options: Mapping[str, Any] | None = field(default=None, kw_only=True)
    hover: bool = field(default=True, kw_only=True)
    striped: bool = field(default=False, kw_only=True)
    bordered: bool = field(default=False, kw_only=True)
    condensed: bool = field(default=False, kw_only=True)
    classes: str = field(default="", kw_only=True)
    attributes: Mapping[str, str] | None = field(default=None, kw_only=True)
    delay_loading_status: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self.ids = self._ids()
        if not self.app:
            raise InvalidSpecification(
                "A table of jobs needs the app whose jobs it shows.",
                hint="Give app=“its label”, or make it with JobManager.jobs_table(…).",
            )
        self.columns = tuple(self._column(each) for each in self.column_fields)
        self.table_actions = self._actions()
        self.order = self._order()
        self._check()

    @property
    def can_search(self) -> bool:
        """Whether people can search in it."""
        return self._offers("searching")

    @property
    def can_order(self) -> bool:
        """Whether people can sort it."""
        return self._offers("ordering")

    @property
    def can_filter(self) -> bool:
        """Whether people can choose a status."""
        return self._offers("filtering")

    def token(self) -> str:
        """The table as a signed text.

        Raises:
            InvalidSpecification: It is too much for an address.
        """
        token = signing.dumps(self.described(), salt=SALT, compress=True, serializer=_Json)
        if len(token) > LONGEST_TOKEN:
            raise InvalidSpecification(
                "The table's description is too long for an address.",
                hint="Show fewer jobs by name, or choose them by filters.",
            )
        return token

    def described(self) -> dict[str, Any]:
        """What the token holds."""
        plain = (
            "app", "scope", "name", "empty", "show_status", "show_actions",
            "show_detailed_status", "refresh_interval", "sort", "reverse_sort", "row_count",
            "enable_data_table", "hover", "striped", "bordered", "condensed", "classes",
        )  # fmt: skip
        standard = JobsTable.__dataclass_fields__
        said = {
            name: getattr(self, name)
            for name in plain
            if getattr(self, name) != standard[name].default
        }
        return said | {
            "ids": self.ids,
            "filters": dict(self.filters or {}),
            "columns": [[each.title, each.field] for each in self.columns],
            "actions": [each.described() for each in self.table_actions],
            "options": dict(self.data_table_options or {}),
            "attributes": dict(self.attributes or {}),
        }

    @classmethod
    def of_token(cls, token: str) -> JobsTable:
        """The table of a token.

        Raises:
            NotFound: The token is not ours, or of another version.
        """
        try:
            said = signing.loads(token, salt=SALT, serializer=_Json)
            actions = [TableAction(**each) for each in said.pop("actions")]
            columns = [(title, name) for title, name in said.pop("columns")]
            ids, options = said.pop("ids"), said.pop("options")
            table = cls(None, columns, actions=actions, data_table_options=options, **said)
        except (signing.BadSignature, KeyError, TypeError, ValueError) as problem:
            raise NotFound(
                "The table is not known any more.", hint="Load the page again."
            ) from problem
        table.ids = ids
        return table

    def _offers(self, name: str) -> bool:
        by_ids = self.ids is not None
        return (
            self.enable_data_table
            and not by_ids
            and bool((self.data_table_options or {}).get(name, True))
        )

    def _ids(self) -> list[int] | None:
        if self.jobs is None:
            return None
        some = list(self.jobs[: MOST_JOBS + 1]) if hasattr(self.jobs, "query") else list(self.jobs)  # type: ignore[index]
        if len(some) > MOST_JOBS:
            raise InvalidSpecification(
                "A table takes at most {most_jobs} jobs by name.",
                hint="Leave jobs out, and give app and filters: such a table has no limit.",
                most_jobs=MOST_JOBS,
            )
        from oceanid.models import Job

        for each in some:
            if not isinstance(each, Job) or each.pk is None:
                raise InvalidSpecification(
                    "A table can't show {each!r}: it is no job, or was not saved.",
                    hint="Give jobs that were executed or saved; column_fields is the second.",
                    each=str(each)[:60],
                )
        if some and not self.app:
            self.app = some[0].app
        elif not some:
            self.app = self.app or "-"
        if self.sort is True or callable(self.sort):
            key: Any = self.sort if callable(self.sort) else (lambda job: job.creation_time)
            some.sort(key=key, reverse=self.reverse_sort)
            self.sort = False
        return [job.pk for job in some]

    def _column(self, given: str | tuple[str, str]) -> TableColumn:
        title, name = given if isinstance(given, tuple | list) else ("", given)
        first, _dot, rest = str(name).partition(".")
        is_property = first in DOTTED and bool(rest)
        if not is_property and (_dot or first.startswith("_") or not _has(first)):
            raise InvalidSpecification(
                "A job has nothing called “{name}” to show in a table.",
                hint="Name an attribute of a job, or extended_properties.something.",
                name=str(name)[:100],
            )
        words = (rest.rpartition(".")[2] if is_property else first).replace("_", " ")
        return TableColumn(str(title) or words[:1].upper() + words[1:], str(name))

    def _actions(self) -> tuple[TableAction, ...]:
        given = list(DEFAULT_ACTIONS if self.actions is None else self.actions)
        urls = {"monitor": self.monitor_url, "results": self.results_url}
        if given and all(isinstance(each, TableAction) for each in given):
            return tuple(given)
        for name, address in urls.items():
            if address and name not in given:
                given.append(name)
        found = []
        for each in given:
            if isinstance(each, str) and each in urls:
                if urls[each]:
                    found.append(TableAction(each, url=_address(urls[each])))
                continue
            found.append(action_of(each))
        return tuple(found)

    def _order(self) -> str:
        if isinstance(self.sort, bool):
            # Tethys: from the oldest to the newest.
            descending = self.reverse_sort if self.sort else True
            return "created" if descending else "-created"
        if not isinstance(self.sort, str):
            raise InvalidSpecification(
                "A function sorts only the jobs that are given.", hint="Give sort=“-start_time”."
            )
        descending = self.sort.startswith("-") is not self.reverse_sort
        known = ORDERS.get(self.sort.lstrip("-"))
        if known is None:
            raise InvalidSpecification(
                "A table can't be sorted by “{sort}”.",
                hint="It can by {orders}.",
                sort=self.sort[:60],
                orders=", ".join(ORDERS),
            )
        first_way_descends = known in ("created", "started", "ended")
        return known if descending is first_way_descends else f"-{known}"

    def _check(self) -> None:
        if self.scope not in ("mine", "groups", "all"):
            raise InvalidSpecification(
                "There is no scope “{scope}”.", hint="It is mine, groups or all.", scope=self.scope
            )
        if not 1 <= self.row_count <= MOST_ROWS:
            raise InvalidSpecification(
                "A page of a table has 1 to {most_rows} rows.", most_rows=MOST_ROWS
            )
        if self.name and slugify(self.name) != self.name:
            raise InvalidSpecification(
                "“{name}” can't be a table's name.",
                hint="Use small letters, digits and dashes.",
                name=self.name[:60],
            )
        for name in self.attributes or {}:
            if (
                not name.replace("-", "").isalnum()
                or name.lower().startswith("on")
                or (name.lower() in ("id", "class", "style"))
            ):
                raise InvalidSpecification(
                    "A table can't have the attribute “{name}”.", name=name[:60]
                )
        try:
            json.dumps(dict(self.filters or {}), cls=DjangoJSONEncoder)
        except TypeError as problem:
            raise InvalidSpecification(
                "The table's filters can't be kept: {problem}.",
                hint="Use texts, numbers, dates and lists of them.",
                problem=problem,
            ) from problem


class _Json:
    """Tokens hold what Django's JSON can: dates too."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


def _address(given: Address) -> str:
    return f"={dotted_path(given)}" if callable(given) else str(given or "")


def _has(name: str) -> bool:
    from oceanid.models import Job, job_types

    return any(hasattr(cls, name) for cls in (Job, *job_types()))


__all__ = ["CustomJobAction", "JobsTable", "TableColumn"]

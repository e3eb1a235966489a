"""The columns that a list of jobs can show, and what each needs to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

PROPERTY = "extended_properties."
MOST_COLUMNS = 20
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list of jobs.

    Args:
        name: What stands in an address: a name of COLUMNS, or ``extended_properties.`` and a
            path of keys with dots between them.
        label: What stands above it.
        reads: The job's fields that it needs besides those of every list.
        sort: The key of ``asked.SORTS`` that orders by it, or "".
        is_number: Whether it is set to the right.
    """

    name: str
    label: Any
    reads: tuple[str, ...] = ()
    sort: str = ""
    is_number: bool = False

    @property
    def is_property(self) -> bool:
        """Whether it shows what an app wrote about its job."""
        return self.name.startswith(PROPERTY)


COLUMNS: Mapping[str, Column] = {
    each.name: each
    for each in (
        Column("status", _("Status"), sort="status"),
        Column("app", _("App")),
        Column("scheduler", _("Scheduler")),
        Column("user", _("User")),
        Column("created", _("Created"), sort="created"),
        Column("submitted", _("Submitted")),
        Column("started", _("Started"), sort="started"),
        Column("ended", _("Ended"), sort="ended"),
        Column("took", _("Took"), is_number=True),
        Column("reason", _("Reason")),
        Column("tasks", _("Tasks"), is_number=True),
        Column("progress", _("Progress"), is_number=True),
        Column("attempt", _("Attempt"), is_number=True),
        Column("type", _("Type")),
        Column("label", _("Label"), reads=("label",)),
        Column("description", _("Description"), reads=("description",)),
        Column("uuid", _("Identity")),
    )
}
_MINE = ("status", "app", "scheduler", "created", "started", "ended", "took")
_OF_MANY = ("status", "app", "scheduler", "user", "created", "started", "ended", "took")


def column(name: str) -> Column | None:
    """The column of this name, or None when there is none."""
    if name in COLUMNS:
        return COLUMNS[name]
    path = name.removeprefix(PROPERTY)
    if path == name or not path.strip(".") or len(name) > LONGEST_NAME or "," in name:
        return None
    return Column(name, path, reads=("extended_properties",)) if path.isprintable() else None


def understood(names: Iterable[str]) -> str:
    """The columns that there are among these, each once, as an address names them."""
    found = (each.strip() for each in names)
    known = dict.fromkeys(name for name in found if column(name) is not None)
    return ",".join(list(known)[:MOST_COLUMNS])


def chosen(names: str, *, scope: str) -> Sequence[Column]:
    """The columns that an address names, in its order; without any those of the scope."""
    wanted = names.split(",") if names else (_MINE if scope == "mine" else _OF_MANY)
    return [found for found in map(column, wanted) if found is not None]


def property_of(properties: Any, path: str) -> Any:
    """What stands at a dotted path in a job's extended properties; None where nothing does."""
    value = properties
    for key in path.removeprefix(PROPERTY).split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and len(key) < 8:
            value = value[int(key)] if int(key) < len(value) else None
        else:
            return None
    return value

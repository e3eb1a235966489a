"""All jobs of an address as CSV or JSON, piece by piece, in constant memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from oceanid.models import Job
from oceanid.services import listing
from oceanid.services.asked import Asked
from oceanid.services.columns import property_of

FIRST_ROWS = 100
"""The first piece is short, so that something comes at once; each is twice as long as the last."""
ROWS_AT_ONCE = 2000
LOOKED_AT_ONCE = 20_000
LEADING = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With what a spreadsheet takes a text for a formula (OWASP, "CSV Injection")."""

Row = Mapping[str, Any]
Write = Callable[[Sequence[Row]], str]

_FIELDS = (
    "id", "uuid", "name", "description", "label", "app", "type", "user_id", "scheduler__name",
    "state", "custom_status", "status_message", "progress", "num_jobs", "attempt",
    "tasks_complete", "tasks_error", "tasks_aborted", "creation_time", "execute_time",
    "start_time", "completion_time", "workspace",
)  # fmt: skip
COLUMNS = (
    "id", "uuid", "name", "description", "label", "app", "type", "user", "scheduler", "status",
    "status_message", "progress", "num_jobs", "attempt", "tasks_complete", "tasks_error",
    "tasks_aborted", "creation_time", "execute_time", "start_time", "completion_time",
    "run_time_s", "workspace",
)  # fmt: skip
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json",
         "jsonl": "application/x-ndjson"}  # fmt: skip


class Export:
    """Gives the pieces of an export, one a call; each is read for itself, by a range of numbers.

    What a person may see is asked anew for each piece, so that a right that is taken away ends
    it. The newest job comes first.

    Args:
        asked: What the address says: filters, and columns of extended properties.
        user: Who asks.
        kind: ``csv``, ``json`` (one array) or ``jsonl`` (one object a line).

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """

    def __init__(self, asked: Asked, user: Any, kind: str) -> None:
        listing.scope(asked, user)
        self.asked = replace(asked, after="", before="", at="")
        self.user_pk = user.pk
        self.properties = [column.name for column in asked.shown if column.is_property]
        self.names = (*COLUMNS, *self.properties)
        self.kind = kind
        self._begun = self._over = False
        self._any = False
        self._most = min(FIRST_ROWS, ROWS_AT_ONCE)
        self._upper = Job.objects.order_by("-id").values_list("pk", flat=True).first() or 0
        ids = listing.few_ids(self.asked, user)
        self._ids = None if ids is None else ids[::-1]

    def piece(self) -> str:
        """The next piece; "" when there is none any more."""
        while not self._over:
            text = "" if self._begun else self._head()
            self._begun = True
            rows = self._read()
            if rows is None:
                self._over = True
                return text + self._tail()
            text += self._written(rows) if rows else ""
            if text:
                return text
        return ""

    def _read(self) -> list[Row] | None:
        """The next rows, maybe none; None behind the last."""
        most, self._most = self._most, min(ROWS_AT_ONCE, 2 * self._most)
        # Asked anew each time: rights may have been taken away since.
        user = get_user_model()._default_manager.filter(pk=self.user_pk).first()
        if user is None or not user.is_active:
            return None
        wanted: tuple[str, ...] = (*_FIELDS, f"user__{get_user_model().USERNAME_FIELD}")
        if self.properties:
            wanted = (*wanted, "extended_properties")
        try:
            if self._ids is not None:
                ids, self._ids = self._ids[:most], self._ids[most:]
                if not ids:
                    return None
                jobs = listing.scope(self.asked, user).filter(pk__in=ids)
            else:
                if self._upper <= 0:
                    return None
                lower = max(0, self._upper - LOOKED_AT_ONCE)
                jobs = listing.among(self.asked, user, after=lower, until=self._upper)
                self._lower = lower
        except PermissionDenied:
            return None
        found = list(jobs.order_by("-pk").values(*wanted)[:most])
        if self._ids is None:
            self._upper = found[-1]["id"] - 1 if len(found) == most else self._lower
        return [self._row(values) for values in found]

    def _row(self, values: dict[str, Any]) -> Row:
        state = values["state"]
        start, end = values["start_time"], values["completion_time"]
        row = {name: values.get(name) for name in COLUMNS}
        row |= {
            "uuid": str(values["uuid"]),
            "user": values[f"user__{get_user_model().USERNAME_FIELD}"],
            "scheduler": values["scheduler__name"],
            "status": Job(state=state, custom_status=values["custom_status"]).status,
            "run_time_s": round((end - start).total_seconds(), 3) if start and end else None,
        }
        for name in self.properties:
            row[name] = property_of(values["extended_properties"], name)
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }

    def _head(self) -> str:
        if self.kind == "csv":
            # The mark by which spreadsheets know that the text is UTF-8.
            return "\ufeff" + _lines([[harmless(name) for name in self.names]])
        return "[\n" if self.kind == "json" else ""

    def _tail(self) -> str:
        return ("\n]\n" if self._any else "]\n") if self.kind == "json" else ""

    def _written(self, rows: Sequence[Row]) -> str:
        if self.kind == "csv":
            return _lines([harmless(row[name]) for name in self.names] for row in rows)
        texts = [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
        if self.kind == "jsonl":
            return "".join(f"{text}\n" for text in texts)
        before = ",\n" if self._any else ""
        self._any = True
        return before + ",\n".join(texts)


def harmless(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(LEADING) or text.startswith(LEADING) else text


def _lines(rows: Iterator[list[Any]] | Sequence[list[Any]] | Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()

"""Wakes sleeping supervisors when something is wanted."""

from __future__ import annotations

from django.db import connection

CHANNEL = "oceanid"


def wake() -> None:
    """Tell supervisors, when the present transaction commits, that there is something to do.

    PostgreSQL delivers a NOTIFY at commit and folds equal ones into one. On SQLite supervisors
    notice the commit itself (``PRAGMA data_version``) and that it wrote an event: call this only
    beside one.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")

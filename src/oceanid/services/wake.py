"""Wakes sleeping supervisors when something is wanted."""

from __future__ import annotations

from django.db import connection

CHANNEL = "oceanid"
WORK, TAIL, CLOUD, BULK, NOTICE = "", "tail", "cloud", "bulk", "notice"


def wake(topic: str = WORK) -> None:
    """Tell supervisors, when the present transaction commits, that there is something to do.

    PostgreSQL delivers a NOTIFY at commit and folds equal ones into one. On SQLite supervisors
    notice the commit itself (``PRAGMA data_version``) and which table got a row: call this only
    beside a new event, for TAIL a new wish for output, for CLOUD and BULK a
    new audit event, for NOTICE a new change in the outbox or a new message.

    Args:
        topic: WORK; TAIL for those who read output for pages; CLOUD for those who ask clouds;
            BULK for who acts on many jobs at once; NOTICE for who tells people.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}, '{topic}'")

"""The scheduler settings that apps declare, written down for administrators to fill in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from oceanid.models import AppScheduler


@dataclass(frozen=True, slots=True)
class Declared:
    """One scheduler setting as its app declares it.

    Args:
        name: What the app calls it.
        engine: The engine that it needs, or "" for any.
        description: What it is for.
        required: Whether the app can't do without it.
    """

    name: str
    engine: str = ""
    description: str = ""
    required: bool = False


def declare(app: str, settings: Iterable[Declared]) -> None:
    """Write an app's settings down; what an administrator assigned stays. Idempotent."""
    rows = [
        AppScheduler(
            app=app,
            name=each.name,
            engine=each.engine,
            description=each.description,
            required=each.required,
        )
        for each in settings
    ]
    with transaction.atomic():
        AppScheduler.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["app", "name"],
            update_fields=["engine", "description", "required"],
        )

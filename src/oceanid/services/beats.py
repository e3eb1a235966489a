"""Supervisors' heartbeats."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from oceanid import __version__, conf
from oceanid.models import SupervisorBeat

KEPT = timedelta(days=7)


def begin(identity: UUID) -> None:
    """A supervisor has started; forget those that were last heard of long ago."""
    now = timezone.now()
    with transaction.atomic():
        SupervisorBeat.objects.filter(beat_at__lt=now - KEPT).delete()
        SupervisorBeat.objects.create(
            uuid=identity,
            host=socket.gethostname()[:255],
            pid=os.getpid(),
            version=__version__,
            started_at=now,
            beat_at=now,
        )


def beat(identity: UUID, figures: dict[str, Any]) -> None:
    """A supervisor is alive."""
    SupervisorBeat.objects.filter(pk=identity).update(beat_at=timezone.now(), figures=figures)


def end(identity: UUID) -> None:
    """A supervisor has stopped as it should."""
    now = timezone.now()
    SupervisorBeat.objects.filter(pk=identity).update(beat_at=now, stopped_at=now)


def is_alive() -> bool:
    """Whether some supervisor's heart has beaten within the last few beats."""
    grace = timedelta(seconds=max(15.0, 4 * conf.current().supervisor.beat_s))
    recent = SupervisorBeat.objects.filter(
        beat_at__gte=timezone.now() - grace, stopped_at__isnull=True
    )
    return recent.exists()

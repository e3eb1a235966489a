"""What every part of a supervisor shares."""

from __future__ import annotations

from dataclasses import dataclass

from oceanid import conf
from oceanid.supervisor.database import Database
from oceanid.supervisor.waker import Waker


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every part of a supervisor shares.

    Args:
        db: Runs ORM work in threads.
        waker: Tells when the database changed.
        settings: The supervisor's clocks.
    """

    db: Database
    waker: Waker
    settings: conf.Supervisor

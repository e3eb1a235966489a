"""Writes down what is to be told to people, in the transaction of the change itself.

One row a change and nothing more: who wants to hear of it is found out later, by a supervisor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from oceanid.models import EventKind, Outbox, Subject
from oceanid.services.bulk import insert_many
from oceanid.services.wake import NOTICE, wake
from oceanid.states import JOB_FINAL, Health, JobState

if TYPE_CHECKING:
    from oceanid.services.events import Event

COLUMNS = ("subject", "subject_id", "attempt", "before", "after", "at", "message")
MESSAGE_LENGTH = 500
OF_JOBS = frozenset({*(state.value for state in JOB_FINAL), JobState.HELD.value})
"""The states of jobs that somebody is told of when they come."""


class ClusterNews(StrEnum):
    """What people are told of a cluster; each with the words that they read."""

    RUNNING = "RUN"
    DEGRADED = "DEG"
    FAILED = "FAI"
    RECOVERED = "OK"
    BUDGET = "BUD"
    IDLE = "IDL"

    @property
    def word(self) -> str:
        """As a person reads it."""
        return CLUSTER_WORDS[self]


CLUSTER_WORDS = {
    ClusterNews.RUNNING: "Running",
    ClusterNews.DEGRADED: "Needs attention",
    ClusterNews.FAILED: "Failed",
    ClusterNews.RECOVERED: "Well again",
    ClusterNews.BUDGET: "Budget reached",
    ClusterNews.IDLE: "Stopped, for it was idle",
}


def of_jobs(events: Sequence[Event]) -> None:
    """Put those changes of jobs into the outbox that people are told of; else do nothing."""
    rows = [
        (
            Subject.JOB.value, each.job_id, each.attempt, each.before, each.after, each.at,
            each.message[:MESSAGE_LENGTH],
        )
        for each in events
        if each.kind == EventKind.STATE and each.after in OF_JOBS and each.before != each.after
    ]  # fmt: skip
    if rows:
        insert_many(Outbox, COLUMNS, rows)
        wake(NOTICE)


def of_scheduler(
    scheduler_id: int, before: Health, after: Health, at: datetime, message: str
) -> None:
    """Tell that a scheduler went away, or came back; of nothing else, its first look included."""
    is_news = (before is Health.UNREACHABLE) is not (after is Health.UNREACHABLE)
    if not is_news or before is Health.UNKNOWN:
        return
    row = (
        Subject.SCHEDULER.value, scheduler_id, 0, before.value, after.value, at,
        message[:MESSAGE_LENGTH],
    )  # fmt: skip
    insert_many(Outbox, COLUMNS, [row])
    wake(NOTICE)


def of_share(share_id: int, at: datetime) -> None:
    """Tell somebody that a job is shared with them."""
    insert_many(Outbox, COLUMNS, [(Subject.SHARE.value, share_id, 0, "", "", at, "")])
    wake(NOTICE)


def of_cluster(cluster_id: int, news: ClusterNews, at: datetime, message: str) -> None:
    """Tell what happened to a cluster; in the transaction in which it is written down."""
    row = (Subject.CLUSTER.value, cluster_id, 0, "", news.value, at, message[:MESSAGE_LENGTH])
    insert_many(Outbox, COLUMNS, [row])
    wake(NOTICE)

"""Which status words count as waiting, running, active or final; an app may add its own."""

from __future__ import annotations

from typing import ClassVar

from oceanid.states import JOB_FINAL, JOB_WORDS, JobState

_WAITING = (JobState.PENDING, JobState.SUBMITTED)
_RUNNING = (JobState.RUNNING, JobState.VARIOUS)
_ACTIVE = (JobState.SUBMITTED, *_RUNNING, JobState.PAUSED, JobState.HELD)


class StatusCategories:
    """The categories of Tethys; shared by all job types, kept for the life of the process.

    An app adds its custom words where it starts, for example in ``AppConfig.ready()``.
    """

    STATUSES: ClassVar[tuple[tuple[str, str], ...]] = tuple(
        (state.value, word) for state, word in JOB_WORDS.items()
    )
    VALID_STATUSES: ClassVar[list[str]] = [code for code, _ in STATUSES]
    DISPLAY_STATUSES: ClassVar[list[str]] = [word for _, word in STATUSES]
    REVERSE_STATUSES: ClassVar[dict[str, str]] = {word: code for code, word in STATUSES}
    PRE_RUNNING_STATUSES: ClassVar[list[str]] = [state.word for state in _WAITING]
    RUNNING_STATUSES: ClassVar[list[str]] = [state.word for state in _RUNNING]
    ACTIVE_STATUSES: ClassVar[list[str]] = [state.word for state in _ACTIVE]
    NON_TERMINAL_STATUSES: ClassVar[list[str]] = ["Pending", *(state.word for state in _ACTIVE)]
    TERMINAL_STATUSES: ClassVar[list[str]] = [
        state.word for state in JOB_WORDS if state in JOB_FINAL or state is JobState.RESULTS_READY
    ]

    @classmethod
    def add_custom_pre_running_status(cls, status: str) -> None:
        """Let a custom status count as waiting to run."""
        _add(status, cls.PRE_RUNNING_STATUSES, cls.NON_TERMINAL_STATUSES)

    @classmethod
    def add_custom_running_status(cls, status: str) -> None:
        """Let a custom status count as running, and so as active."""
        _add(status, cls.RUNNING_STATUSES, cls.ACTIVE_STATUSES, cls.NON_TERMINAL_STATUSES)

    @classmethod
    def add_custom_active_status(cls, status: str) -> None:
        """Let a custom status count as active: pages follow the job."""
        _add(status, cls.ACTIVE_STATUSES, cls.NON_TERMINAL_STATUSES)

    @classmethod
    def add_custom_terminal_status(cls, status: str) -> None:
        """Let a custom status count as final: ``wait()`` ends at it."""
        _add(status, cls.TERMINAL_STATUSES)


def _add(status: str, *categories: list[str]) -> None:
    for category in categories:
        if status not in category:
            category.append(status)

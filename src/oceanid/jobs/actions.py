"""What every job type can do; each wish goes through ``oceanid.services`` and returns at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import DEFAULT_DB_ALIAS, models
from django.utils import timezone

from oceanid.errors import IllegalTransition, NotFound, WaitTimeout
from oceanid.jobs.logs import JobLogs
from oceanid.jobs.references import dotted_path
from oceanid.jobs.twins import twin
from oceanid.models import Job
from oceanid.services import annotations as app_fields
from oceanid.services import jobs as services
from oceanid.services import reports
from oceanid.services.freeze import name_key
from oceanid.states import JobState, Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import AbstractBaseUser

    _Base = Job
else:
    _Base = models.Model

FIRST_LOOK_S = 0.05
SLOWEST_LOOK_S = 2.0


class JobActions(_Base):
    """The verbs of a job; mixed into every type before :class:`~oceanid.models.Job`."""

    EXTRA: ClassVar[frozenset[str]] = frozenset()
    """What ``create_job`` takes for this type alone."""

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args:
            kwargs.setdefault("type", self.TYPE)
            function = kwargs.get("process_results_function")
            if callable(function):
                kwargs["process_results_function"] = dotted_path(function)
            elif function is None:
                kwargs.pop("process_results_function", None)
        super().__init__(*args, **kwargs)

    # What a person or an app wants -----------------------------------------------------------

    def execute(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for the job to be run; on return it is Submitted and will be run exactly once.

        Saves the job first when it is new.

        Raises:
            InvalidSpecification: Or a subclass: it can never run as it stands, by name.
            LimitExceeded: Its user would have too much under way.
            NotPermitted: Its user may not use the scheduler.
            IllegalTransition: It was executed already.
        """
        self._make_ready()
        fresh, name = self._state.adding, self.name
        try:
            services.execute(self, actor=actor)
        except BaseException:
            if fresh:
                self._forget_execution(name)
            raise

    def stop(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for the job to end; a request, not a promise. Idempotent."""
        self._require_saved("stopped")
        services.stop(self, actor=actor)

    def pause(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for the job to stand still; a request. Idempotent.

        Raises:
            IllegalTransition: It was not executed, or has ended.
            UnsupportedCapability: Its scheduler can't.
        """
        self._require_saved("paused")
        services.pause(self, actor=actor)

    def resume(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for a paused or held job to go on; a request. Idempotent.

        Raises:
            IllegalTransition: It was not executed, or has ended.
        """
        self._require_saved("resumed")
        services.resume(self, actor=actor)

    def resubmit(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Run a finished job again as its next attempt; of a workflow only what is not done.

        Raises:
            IllegalTransition: It has not ended.
            InvalidSpecification: Or a subclass: it can't run any more as it stands.
        """
        self._require_saved("resubmitted")
        services.resubmit(self, actor=actor)

    def retry_results(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for the results function to be tried again.

        Raises:
            IllegalTransition: The job is not Results-Ready.
        """
        self._require_saved("tried again")
        services.retry_results(self, actor=actor)

    def delete(
        self,
        using: str | None = None,
        keep_parents: bool = False,
        *,
        actor: AbstractBaseUser | None = None,
    ) -> tuple[int, dict[str, int]]:
        """Ask for the job to be stopped if need be, and removed with its own directory.

        Only what Oceanid made goes; a workspace that the app gave stays. A draft goes at once,
        any other job when the supervisor has seen to it.

        Returns:
            As Django's: how many jobs, and which.
        """
        self._require_saved("deleted")
        services.delete(self, actor=actor)
        return 1, {self._meta.label: 1}

    # What an app writes ----------------------------------------------------------------------

    def save(
        self,
        force_insert: bool | tuple[Any, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write a draft down, or of an executed job what belongs to the app.

        The latter is its name, description, label, ``extended_properties`` and ``result``: a
        stale instance never undoes what was observed.

        Raises:
            InvalidSpecification: Its name can't be used.
            IllegalTransition: Somebody executed it in the meantime.
        """
        self._normalise()
        if force_insert or force_update or update_fields is not None:
            if self._state.adding and not self.creation_time:
                self.creation_time = timezone.now()
                self.name_key = name_key(self.name)
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=using,
                update_fields=update_fields,
            )
            return
        if using not in (None, DEFAULT_DB_ALIAS, self._state.db):
            raise ValueError("Jobs live in the default database.")
        if self._state.adding or self.wanted == Wanted.DRAFT.value:
            services.save_draft(self)
        else:
            app_fields.save(self)

    def update_status(self, status: str | None = None, message: str = "") -> None:
        """Set the status, or without one read again what the database says of the job.

        Args:
            status: A status word, its three-letter code, or a custom status.
            message: What to tell about it.

        Raises:
            InvalidSpecification: The word can't be used.
            IllegalTransition: The status of this job is observed, not set; a custom one
                may be.
        """
        if status is None:
            if not self._state.adding:
                self.refresh_from_db()
            return
        if self._state.adding:
            self.save()
        reports.set_status(self, status, message=message)

    def report_progress(self, percent: int | None, message: str = "") -> None:
        """Write down how far the job is.

        Args:
            percent: 0 to 100, or None when only the message is new.
            message: What it is doing; the first 500 characters are kept.
        """
        self._require_saved("followed")
        reports.report_progress(self, percent, message)

    # What an app reads -----------------------------------------------------------------------

    if TYPE_CHECKING:
        status: Any
    else:

        @property
        def status(self) -> str:
            """The status word, or the app's custom status; reads, never polls."""
            return Job.status.fget(self)

        @status.setter
        def status(self, word: str) -> None:
            self.update_status(word)

    @property
    def cached_status(self) -> str:
        """The same as ``status``, under the name that Tethys apps use."""
        return str(self.status)

    @property
    def run_time(self) -> timedelta | None:
        """How long it has run so far, or ran in all; None before it was executed."""
        began = self.start_time or self.execute_time
        if began is None:
            return None
        return (self.completion_time or timezone.now()) - began

    @property
    def statuses(self) -> dict[str, int]:
        """How many of its processes have which status, by status word; none are left out."""
        counts = {
            JobState.RUNNING: self.tasks_running,
            JobState.PAUSED: self.tasks_paused,
            JobState.HELD: self.tasks_held,
            JobState.COMPLETE: self.tasks_complete,
            JobState.ERROR: self.tasks_error,
            JobState.ABORTED: self.tasks_aborted,
        }
        rest = max(0, self.num_jobs - sum(counts.values()))
        first = JobState.PENDING if self.state == JobState.PENDING else JobState.SUBMITTED
        return {first.word: rest} | {state.word: count for state, count in counts.items()}

    @property
    def directory(self) -> Path:
        """The job's own directory on this machine; it is there once the job has run."""
        from oceanid.services.paths import job_dir

        return job_dir(self)

    @property
    def initial_dir(self) -> str:
        """The same as a string, under the name that Tethys apps use."""
        return str(self.directory)

    def get_logs(self) -> JobLogs:
        """The logs, read when they are looked at, at most 1 MiB of the end of each.

        Of one process: ``{"log": events, "output": stdout, "error": stderr}``; of an array the
        same two by process number; of a workflow by node name.
        """
        return JobLogs(self)

    def callback_url(self) -> str:
        """The signed address at which the job's present attempt can report progress and status.

        Raises:
            InvalidSettings: The portal's own address is not known (``OCEANID["BASE_URL"]``).
            IllegalTransition: The job was not executed.
        """
        from oceanid.jobs.callbacks import address

        return address(self)

    def wait(self, timeout_s: float | None = None) -> str:
        """Wait until the job has ended, looking ever more rarely, at last every two seconds.

        Args:
            timeout_s: Seconds to wait at most; None waits without an end.

        Returns:
            The final status word.

        Raises:
            WaitTimeout: It has not ended in time; it goes on.
            IllegalTransition: It was never executed, so it would never end.
            NotFound: It was deleted.
        """
        self._require_saved("waited for")
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        pause_s = FIRST_LOOK_S
        while not self._has_ended():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise WaitTimeout(
                    "The job is still {status} after {timeout_s:g} s.",
                    hint="It goes on; wait again, or look at it later.",
                    status=self.status,
                    timeout_s=timeout_s,
                )
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, SLOWEST_LOOK_S)
        return str(self.status)

    aexecute = twin(execute)
    astop = twin(stop)
    apause = twin(pause)
    aresume = twin(resume)
    aresubmit = twin(resubmit)
    aretry_results = twin(retry_results)
    aupdate_status = twin(update_status)
    areport_progress = twin(report_progress)
    aget_logs = twin(get_logs)
    await_ = twin(wait)

    # Parts -----------------------------------------------------------------------------------

    def _make_ready(self) -> None:
        """Bring a draft into the shape that is executed.

        Raises:
            InvalidSpecification: Its results function can't be found.
        """
        self._normalise()
        if self.process_results_function:
            dotted_path(self.process_results_function)

    def _forget_execution(self, name: str) -> None:
        """Be the unsaved draft again that it was before an ``execute()`` was rolled back."""
        self.pk, self._state.adding = None, True
        self.name, self.state, self.wanted = name, JobState.PENDING.value, Wanted.DRAFT.value
        self.attempt, self.spec, self.execute_time = 0, {}, None
        self.due_at, self.backlog = None, 0

    def _normalise(self) -> None:
        function: str | Callable[..., Any] | None = self.process_results_function
        if callable(function):
            self.process_results_function = dotted_path(function)
        elif function is None:
            self.process_results_function = ""
        self.workspace = str(self.workspace or "")
        self.remote_input_files = [str(each) for each in self.remote_input_files or ()]

    def _require_saved(self, participle: str) -> None:
        if self._state.adding or self.pk is None:
            raise IllegalTransition(
                "The job was not saved; it can't be {participle}.",
                hint="Execute or save it.",
                participle=participle,
            )

    def _has_ended(self) -> bool:
        try:
            self.refresh_from_db(
                fields=["state", "custom_status", "status_message", "wanted", "completion_time"]
            )
        except Job.DoesNotExist as gone:
            raise NotFound("The job was deleted.") from gone
        if self.wanted == Wanted.DRAFT.value and self.is_run_by_scheduler():
            raise IllegalTransition(
                "The job was never executed, so it would never end.", hint="Execute it."
            )
        final = JobState(self.state).is_final
        if self.state == JobState.OTHER and not self.is_run_by_scheduler():
            final = self.status in self.TERMINAL_STATUSES
        if final:
            self.refresh_from_db()
            return True
        return False

    def is_run_by_scheduler(self) -> bool:
        """Whether a scheduler runs jobs of this type; of the others the app keeps the status."""
        return True

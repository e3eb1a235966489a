"""Jobs: one table for every type; the type decides which Python class a row becomes."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.scheduler import Scheduler
from oceanid.models.status_words import StatusCategories
from oceanid.states import JOB_ACTIVE, JOB_WORDS, JobState, Wanted

if TYPE_CHECKING:
    from oceanid.submit import SubmitDescription

NAME_LENGTH = 1024
NAME_KEY_LENGTH = 100

_classes: dict[str, type[Job]] = {}


def register_job_class(type_name: str, cls: type[Job]) -> None:
    """Let rows of this type become instances of this class; the last one registered counts."""
    _classes[type_name] = cls


def job_class(type_name: str) -> type[Job]:
    """The class for a type; :class:`Job` itself for a type that nobody registered."""
    return _classes.get(type_name, Job)


def job_types() -> list[type[Job]]:
    """The classes that were registered for types."""
    return list(dict.fromkeys(_classes.values()))


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs, with the questions that every room asks."""

    def of_type(self, *types: str) -> Self:
        """Only jobs of these types."""
        return self.filter(type__in=types)

    def active(self) -> Self:
        """Jobs that were executed and have not ended."""
        return self.filter(state__in=[state.value for state in JOB_ACTIVE])

    def only(self, *fields: Any) -> Self:
        """As Django's; the type always comes along, for it decides the class."""
        return super().only(*fields, *([] if fields == (None,) else ["type"]))

    def defer(self, *fields: Any) -> Self:
        """As Django's; the type always comes along, for it decides the class."""
        return super().defer(*[field for field in fields if field != "type"])

    def create(self, **kwargs: Any) -> Job:
        """As Django's, in the class that ``type`` names."""
        job = job_class(kwargs.get("type", ""))(**kwargs)
        job.save(force_insert=True, using=self.db)
        return job


class Job(StatusCategories, models.Model):
    """Something to compute: what is wanted of it, and what was observed.

    Drafts (``state`` Pending) belong to the app; from ``execute()`` on only
    ``oceanid.services`` writes.
    """

    STATES = [(state.value, _(word)) for state, word in JOB_WORDS.items()]
    TYPE: ClassVar[str] = ""
    RETURNS_VALUE: ClassVar[bool] = False
    """Whether its process leaves a return value or an exception as files for ``result``."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    type = models.CharField(_("type"), max_length=32, default="BASIC")
    app = models.CharField(_("app"), max_length=100, default="", blank=True)
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    name_key = models.CharField(max_length=NAME_KEY_LENGTH, default="", editable=False)
    description = models.TextField(_("description"), default="", blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.PROTECT,
        related_name="oceanid_jobs",
        db_index=False,
    )
    groups = models.ManyToManyField(
        Group, verbose_name=_("groups"), blank=True, related_name="oceanid_jobs"
    )
    label = models.CharField(_("label"), max_length=NAME_LENGTH, default="", blank=True)
    template_name = models.CharField(max_length=255, default="", blank=True)

    state = models.CharField(_("status"), max_length=3, choices=STATES, default="PEN")
    custom_status = models.CharField(max_length=255, default="", blank=True)
    status_message = models.TextField(_("status message"), default="", blank=True)
    reason_code = models.CharField(max_length=64, default="", blank=True)
    hint = models.TextField(default="", blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), null=True, blank=True)
    progress_message = models.CharField(max_length=500, default="", blank=True)

    workspace = models.CharField(_("workspace"), max_length=4096, default="", blank=True)
    creation_time = models.DateTimeField(_("created"))
    execute_time = models.DateTimeField(_("executed"), null=True, blank=True)
    start_time = models.DateTimeField(_("started"), null=True, blank=True)
    completion_time = models.DateTimeField(_("ended"), null=True, blank=True)

    extended_properties = models.JSONField(_("extended properties"), default=dict, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    remote_input_files = models.JSONField(default=list, blank=True)
    spec = models.JSONField(default=dict, editable=False)
    result = models.JSONField(_("result"), null=True, blank=True)
    process_results_function = models.CharField(max_length=255, default="", blank=True)
    results_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    results_error = models.TextField(default="", blank=True, editable=False)

    scheduler = models.ForeignKey(
        Scheduler,
        verbose_name=_("scheduler"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="jobs",
        db_index=False,
    )
    priority = models.IntegerField(_("priority"), default=0)
    num_jobs = models.PositiveIntegerField(_("processes"), default=1)

    wanted = models.CharField(max_length=3, default=Wanted.DRAFT.value, editable=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    version = models.PositiveBigIntegerField(default=0, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    backlog = models.PositiveIntegerField(default=0, editable=False)
    tasks_made = models.PositiveIntegerField(default=0, editable=False)
    tasks_submitted = models.PositiveIntegerField(default=0, editable=False)
    tasks_running = models.PositiveIntegerField(default=0, editable=False)
    tasks_paused = models.PositiveIntegerField(default=0, editable=False)
    tasks_held = models.PositiveIntegerField(default=0, editable=False)
    tasks_complete = models.PositiveIntegerField(default=0, editable=False)
    tasks_error = models.PositiveIntegerField(default=0, editable=False)
    tasks_aborted = models.PositiveIntegerField(default=0, editable=False)
    cloned_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="clones"
    )

    objects = models.Manager.from_queryset(JobQuerySet)()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        permissions = [
            ("submit_any", _("Can submit jobs with a specification of their own")),
            ("view_all_jobs", _("Can see everyone's jobs")),
            ("act_on_all_jobs", _("Can stop, resubmit and delete everyone's jobs")),
        ]
        indexes = [
            # An order, and behind it what else filters look at: no row is read to be sifted.
            models.Index("user", "id", "app", "scheduler", name="oceanid_job_user"),
            models.Index("user", "state", "id", "app", "scheduler", name="oceanid_job_user_state"),
            models.Index(
                "user", "name_key", "id", "app", "scheduler", name="oceanid_job_user_name"
            ),
            models.Index("user", "start_time", "id", name="oceanid_job_user_start"),
            models.Index("user", "completion_time", "id", name="oceanid_job_user_end"),
            models.Index("state", "id", name="oceanid_job_state"),
            models.Index("app", "id", "scheduler", name="oceanid_job_app"),
            models.Index("app", "state", "id", "scheduler", name="oceanid_job_app_state"),
            models.Index("scheduler", "state", "id", name="oceanid_job_sched_state"),
            models.Index("name_key", "id", "scheduler", name="oceanid_job_name"),
            models.Index(
                "state", "name_key", "id", "app", "scheduler", name="oceanid_job_state_name"
            ),
            models.Index("app", "name_key", "id", "scheduler", name="oceanid_job_app_name"),
            models.Index("start_time", "id", name="oceanid_job_start"),
            models.Index("creation_time", "id", name="oceanid_job_created"),
            models.Index("completion_time", "id", name="oceanid_job_end"),
            models.Index(
                "scheduler", "due_at", name="oceanid_job_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                "scheduler",
                "user",
                models.F("priority").desc(),
                "id",
                name="oceanid_job_backlog",
                condition=Q(backlog__gt=0, wanted="RUN"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(progress__isnull=True) | Q(progress__lte=100),
                name="oceanid_job_progress_percent",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any
    ) -> Self:
        """Make the instance in the class that its type names."""
        names = list(field_names)
        if "type" not in names:
            return super().from_db(db, names, values, **options)
        type_name = list(values)[_position(cls, names, values, "type")]
        chosen: Any = job_class(type_name) if isinstance(type_name, str) else cls
        if chosen is cls or not issubclass(chosen, Job):
            return super().from_db(db, names, values, **options)
        return models.Model.from_db.__func__(chosen, db, names, values, **options)  # type: ignore[attr-defined,no-any-return]

    @property
    def job_state(self) -> JobState:
        """The state as an enum."""
        return JobState(self.state)

    @property
    def status(self) -> str:
        """The status word as Tethys has it, or the app's custom status; reads, never polls."""
        if self.state == JobState.OTHER and self.custom_status:
            return self.custom_status
        return JobState(self.state).word

    def describe(self, directory: str) -> SubmitDescription | None:
        """What the job runs, for types that run something; None for those that don't.

        Args:
            directory: The job's own directory, absolute; it need not be there yet.
        """
        return None

    @property
    def key(self) -> str:
        """The present attempt's key."""
        return f"{self.uuid}.{self.attempt}"


def _position(cls: type[Job], names: Sequence[str], values: Collection[Any], wanted: str) -> int:
    """Where a field's value stands: by position when all were loaded, else by name."""
    if len(values) == len(cls._meta.concrete_fields):
        return [field.attname for field in cls._meta.concrete_fields].index(wanted)
    return list(names).index(wanted)

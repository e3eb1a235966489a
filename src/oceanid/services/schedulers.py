"""Scheduler records: found, made ready, and whose account a job runs under."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection
from django.db.models import Q

from oceanid import conf
from oceanid.errors import NotFound, NotPermitted, OceanidError
from oceanid.models import Scheduler


def ensure_local() -> Scheduler:
    """The record “local” of the embedded engine, made when it is missing."""
    found = Scheduler.objects.filter(name="local").first()
    if found is not None:
        return found
    Scheduler.objects.bulk_create([Scheduler(name="local", engine="local")], ignore_conflicts=True)
    return Scheduler.objects.get(name="local")


def default_scheduler() -> Scheduler:
    """The scheduler of jobs that name none: the default cluster's master once it has answered,
    else the one that Settings, Cluster Management, name, and without one that of OCEANID.

    Raises:
        NotFound: The settings name one that does not exist.
    """
    found, name = chosen(), conf.current().default_scheduler
    if found is not None:
        return found
    if name == "local":
        return ensure_local()
    raise NotFound(
        "There is no scheduler named “{name}”.",
        hint="Make it in the admin, or change OCEANID['DEFAULT_SCHEDULER'].",
        name=name,
    )


def chosen() -> Scheduler | None:
    """The scheduler of jobs that name none, as :func:`default_scheduler`; None when it is not
    there yet."""
    return _found(_CHOSEN, conf.current().default_scheduler)


def resolve(wanted: Scheduler | str | None) -> Scheduler:
    """The scheduler that a job means: a record, a name, or None for the default.

    Raises:
        NotFound: There is none of this name.
        NotPermitted: It is switched off.
    """
    if isinstance(wanted, Scheduler):
        found = wanted
    elif not wanted:
        found = default_scheduler()
    else:
        named = _named(wanted)
        if named is None:
            raise NotFound("There is no scheduler named “{wanted}”.", wanted=wanted)
        found = named
    if not found.enabled:
        raise NotPermitted(
            "The scheduler “{name}” is switched off.", hint="Choose another one.", name=found.name
        )
    return found


# Asked at every execute(), where making the ORM's statement would take longer than the answer.
_ASKED = ("id", "name", "engine", "enabled", "parent_id", "person_id", "cpus", "memory_mib")


_CHOSEN = (
    "id = COALESCE((SELECT c.scheduler_id FROM oceanid_setting s JOIN oceanid_cluster c "
    "ON c.id = s.default_cluster_id WHERE s.part = 'cluster'), "
    "(SELECT scheduler_id FROM oceanid_setting WHERE part = 'cluster'), "
    "(SELECT id FROM oceanid_scheduler WHERE name = %s))"
)


def _named(name: str) -> Scheduler | None:
    return _found("name = %s", name)


def _found(where: str, name: str) -> Scheduler | None:
    """The record; what is not asked of it at ``execute()`` is read when needed."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(_ASKED)} FROM oceanid_scheduler WHERE {where}",  # noqa: S608
            [name],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    if row[_ASKED.index("person_id")] is not None:
        return Scheduler.objects.filter(pk=row[0]).first()  # the user's key may need converting
    return Scheduler.from_db(connection.alias, _ASKED, row)


def groups_of(scheduler_id: int) -> list[int]:
    """The groups that may use a scheduler; none means everyone."""
    table = connection.ops.quote_name(Scheduler.groups.through._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT group_id FROM {table} WHERE scheduler_id = %s",  # noqa: S608
            [scheduler_id],
        )
        return [row[0] for row in cursor.fetchall()]


def described(scheduler_id: int) -> object:
    """How a scheduler's record describes it, with that of the scheduler whose account it is;
    another value when somebody changed it.

    Secrets that can't be decrypted are a description too.
    """
    row = Scheduler.objects.filter(pk=scheduler_id)
    try:
        return row.values_list(
            "name", "engine", "config", "secrets", "parent__config", "parent__secrets"
        ).first()
    except OceanidError as problem:
        return str(problem)


@dataclass(frozen=True, slots=True)
class Options:
    """What an engine is given of a record.

    Args:
        config: Its options.
        secrets: Its secrets, decrypted.
    """

    config: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)


def options_of(record: Scheduler) -> Options:
    """A record's options; a person's account takes what it does not name from its scheduler.

    A secret of its own, or a key's path, stands for all the scheduler's secrets.
    """
    if record.parent is None:
        return Options(dict(record.config), dict(record.secrets or {}))
    inherited = dict(record.parent.config)
    secrets = dict(record.secrets or {})
    if secrets or record.config.get("key_path"):
        inherited.pop("key_path", None)
        inherited.pop("use_agent", None)
    else:
        secrets = dict(record.parent.secrets or {})
    return Options({**inherited, **record.config}, secrets)


def account_of(scheduler: Scheduler, user: AbstractBaseUser) -> Scheduler:
    """The record under which a person's jobs run: an account of their own, or the scheduler.

    Raises:
        NotPermitted: It is the account of somebody else, or their account is switched off.
    """
    if scheduler.person_id is not None:
        if scheduler.person_id != user.pk:
            raise NotPermitted(
                "“{name}” is another person's account.",
                hint="Choose the scheduler itself.",
                name=scheduler.name,
            )
        return scheduler
    if scheduler.engine == "local":
        return scheduler  # its jobs run as one user, whoever's they are
    own = Scheduler.objects.filter(parent=scheduler, person_id=user.pk).first()
    if own is None:
        return scheduler
    if not own.enabled:
        raise NotPermitted(
            "Your account at “{name}” is switched off.",
            hint="Ask an administrator.",
            name=scheduler.name,
        )
    return own


def driven() -> Q:
    """Which records a supervisor drives: those that are switched on, their scheduler too."""
    return Q(enabled=True) & (Q(parent=None) | Q(parent__enabled=True))

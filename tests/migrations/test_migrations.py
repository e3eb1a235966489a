"""The schema is made from nothing, goes back and forth, and keeps what is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)


def latest() -> str:
    """The name of the newest migration."""
    (leaf,) = MigrationExecutor(connection).loader.graph.leaf_nodes("oceanid")
    return str(leaf[1])


def migrate(name: str) -> Any:
    """Go to a migration; the models as they are there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("oceanid", name)])
    return MigrationExecutor(connection).loader.project_state([("oceanid", name)]).apps


def tables() -> set[str]:
    """Our tables."""
    names = connection.introspection.table_names()
    return {name for name in names if name.startswith("oceanid_")}


def test_models_and_migrations_agree() -> None:
    """In a process of its own: other tests register job types of their own here."""
    words = ["makemigrations", "oceanid", "--check", "--dry-run"]
    made = subprocess.run(
        [sys.executable, "-m", "django", *words, "--settings", "tests.settings"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_migration_goes_back_and_forth() -> None:
    """One by one, in one plan: each step's state is reckoned once."""
    everything = tables()
    try:
        MigrationExecutor(connection).migrate([("oceanid", None)])
        assert tables() == set()
    finally:
        MigrationExecutor(connection).migrate([("oceanid", latest())])
    assert tables() == everything


def test_what_is_in_the_first_schema_is_in_the_latest(django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("ann")
    try:
        old = migrate("0001_initial")
        now = timezone.now()
        job = old.get_model("oceanid", "Job").objects.create(
            name="Überlauf", name_key="überlauf", user_id=user.pk, creation_time=now, state="ERR",
            type="CONDOR", attempt=2, tasks_error=1, attributes={"executable": "/bin/true"},
        )  # fmt: skip
        task = old.get_model("oceanid", "Task").objects.create(
            job=job, index=0, attempt=2, state="ERR", exit_code=7
        )
        node = old.get_model("oceanid", "WorkflowNode").objects.create(
            workflow=job, name="n", category="big", priority=3
        )
        old.get_model("oceanid", "JobEvent").objects.create(
            job=job, kind="state", before="SUB", after="ERR", at=now, message="It failed."
        )
    finally:
        migrate(latest())
    from oceanid.models import Job, Task, WorkflowNode

    kept = Job.objects.get(pk=job.pk)
    assert (kept.name, kept.status, kept.attempt) == ("Überlauf", "Error", 2)
    assert kept.attributes == {"executable": "/bin/true"}
    assert kept.events.get().message == "It failed."
    assert Task.objects.get(pk=task.pk).exit_code == 7
    assert WorkflowNode.objects.get(pk=node.pk).priority == 3

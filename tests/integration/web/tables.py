"""A table of jobs in an app's page, as its tests look at it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.template import RequestContext, Template
from django.test import Client, RequestFactory
from django.utils import timezone

from oceanid.jobs import JobsTable
from oceanid.models import Job

RUNNING: dict[str, Any] = {
    "app": "floods", "type": "CONDOR", "state": "RUN", "wanted": "RUN", "spec": {"a": 1},
    "execute_time": timezone.now(),
}  # fmt: skip
ENDED = RUNNING | {"state": "COM"}


def shown(user: Any, *tables: JobsTable, address: str = "/app/") -> str:
    """What the tag puts into an app's page for a person."""
    request = RequestFactory().get(address)
    request.user = user
    tags = "".join(f"{{% jobs_table t{number} %}}" for number in range(len(tables)))
    page = Template("{% load oceanid_jobs %}" + tags)
    named = {f"t{number}": table for number, table in enumerate(tables)}
    return page.render(RequestContext(request, named))


def rows(text: str) -> list[int]:
    return [int(each) for each in re.findall(r'<tr id="[a-z0-9-]+-row-(\d+)"', text)]


def source(text: str) -> str:
    """The address from which the table brings itself up to date."""
    found = re.search(r'data-jt="([^"]*)"', text)
    assert found
    return unescape(found[1])


def act(client: Client, table: JobsTable, job: Job, label: str, **more: Any) -> Any:
    """Press the button with this label, as the table's script does."""
    labels = {each.name: each.name for each in table.table_actions}
    keys = [
        key
        for key, each in enumerate(table.table_actions)
        if (each.label or labels[each.name]) == label
    ]
    form = {"job": job.pk, "action": keys[0], **more}
    return client.post(
        "/compute/tables/act/?" + source(shown(job.user, table)).partition("?")[2],
        form,
        headers={"accept": "application/json"},
    )
